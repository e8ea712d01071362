//! What a request asks for, and how many asked.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Put,
    Get,
    Head,
    /// ListObjectsV2.
    List,
    /// DeleteObject and DeleteObjects.
    Delete,
    Copy,
    /// CreateBucket, and whatever the double does not speak.
    Other,
}

/// Requests by operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub put: u64,
    pub get: u64,
    pub head: u64,
    pub list: u64,
    pub delete: u64,
    pub copy: u64,
    pub other: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.put + self.get + self.head + self.list + self.delete + self.copy + self.other
    }

    pub(crate) fn add(&mut self, operation: Operation) {
        let count = match operation {
            Operation::Put => &mut self.put,
            Operation::Get => &mut self.get,
            Operation::Head => &mut self.head,
            Operation::List => &mut self.list,
            Operation::Delete => &mut self.delete,
            Operation::Copy => &mut self.copy,
            Operation::Other => &mut self.other,
        };
        *count += 1;
    }
}
