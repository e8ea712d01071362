//! Hashing a stream, with a state that can be stored between two requests of one upload.

use std::sync::Arc;

use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256, Sha512};

use super::digest::{Algorithm, Digest};

/// Computes a digest piece by piece.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

/// First byte of a saved state. The rest is the layout of `sha2` 0.11, which a test below pins.
const SAVED_FORMAT: u8 = 1;

/// A saved count of blocks from here on is a forgery: no blob is that large, and the length in bits must not overflow.
const MAX_BLOCKS: u128 = 1 << 48;

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(state) => Digest::Sha256(state.finalize().into()),
            State::Sha512(state) => Digest::Sha512(Arc::new(state.finalize().into())),
        }
    }

    /// The state so far, at most 210 bytes. It holds up to one block of the content itself.
    pub fn save(&self) -> Vec<u8> {
        let mut saved = vec![SAVED_FORMAT];
        match &self.0 {
            State::Sha256(state) => saved.extend_from_slice(&state.serialize()),
            State::Sha512(state) => saved.extend_from_slice(&state.serialize()),
        }
        saved
    }

    /// Continues from what `save` returned; `None` when the bytes are not such a state of this algorithm.
    pub fn restore(algorithm: Algorithm, saved: &[u8]) -> Option<Self> {
        let (&SAVED_FORMAT, state) = saved.split_first()? else { return None };
        let blocks = match algorithm {
            Algorithm::Sha256 => u128::from(u64::from_le_bytes(state.get(32..40)?.try_into().ok()?)),
            Algorithm::Sha512 => u128::from_le_bytes(state.get(64..80)?.try_into().ok()?),
        };
        if blocks >= MAX_BLOCKS {
            return None;
        }
        Some(Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(deserialize(state)?),
            Algorithm::Sha512 => State::Sha512(deserialize(state)?),
        }))
    }
}

fn deserialize<H: SerializableState>(state: &[u8]) -> Option<H> {
    let state: &SerializedState<H> = state.try_into().ok()?;
    H::deserialize(state).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    #[test]
    fn the_layout_of_a_saved_state_is_the_one_in_stores() {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(&[7; 64]);
        hasher.update(b"abc");
        let saved = hasher.save();
        assert_eq!(saved.len(), 1 + 32 + 8 + 1 + 63);
        assert_eq!(saved[33..41], 1u64.to_le_bytes());
        assert_eq!(saved[41..46], [3, b'a', b'b', b'c', 0]);

        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(&[7; 130]);
        let saved = hasher.save();
        assert_eq!(saved.len(), 1 + 64 + 16 + 1 + 127);
        assert_eq!(saved[65..81], 1u128.to_le_bytes());
        assert_eq!(saved[81..85], [2, 7, 7, 0]);
    }

    #[test]
    fn a_state_of_another_algorithm_format_or_absurd_length_is_refused() {
        for algorithm in BOTH {
            let saved = Hasher::new(algorithm).save();
            assert!(Hasher::restore(algorithm, &saved).is_some());
            assert!(Hasher::restore(algorithm, &saved[1..]).is_none());
            assert!(Hasher::restore(algorithm, &[]).is_none());
            let other = if algorithm == Algorithm::Sha256 { Algorithm::Sha512 } else { Algorithm::Sha256 };
            assert!(Hasher::restore(other, &saved).is_none());
            let mut forged = saved.clone();
            forged[0] = 2;
            assert!(Hasher::restore(algorithm, &forged).is_none());
            let mut forged = saved;
            let end_of_count = if algorithm == Algorithm::Sha256 { 40 } else { 80 };
            forged[end_of_count] = 0xff;
            assert!(Hasher::restore(algorithm, &forged).is_none());
        }
    }

    proptest! {
        #[test]
        fn saving_and_restoring_anywhere_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
            for algorithm in BOTH {
                let (head, tail) = bytes.split_at(cut.min(bytes.len()));
                let mut hasher = Hasher::new(algorithm);
                hasher.update(head);
                let mut hasher = Hasher::restore(algorithm, &hasher.save()).unwrap();
                hasher.update(tail);
                prop_assert_eq!(hasher.finish(), Digest::of(algorithm, &bytes));
            }
        }

        #[test]
        fn hostile_states_never_panic(mut saved in prop::collection::vec(any::<u8>(), 0..220), size in prop::sample::select(vec![0usize, 105, 210])) {
            if size > 0 {
                saved.resize(size, 0);
                saved[0] = SAVED_FORMAT;
            }
            for algorithm in BOTH {
                if let Some(mut hasher) = Hasher::restore(algorithm, &saved) {
                    hasher.update(&[1; 300]);
                    hasher.finish();
                }
            }
        }
    }
}
