//! Listings that come in pages: `Link: <target>; rel="next"` (RFC 8288).

use bytes::Bytes;
use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Url};

use super::Registry;
use crate::client::answer;
use crate::client::auth::Scope;
use crate::client::error::ClientError;
use crate::client::transport::Request;

const MAX_PAGE: u64 = 4 * 1024 * 1024;
const MAX_PAGES: usize = 10_000;

impl Registry {
    /// Hands every page from `first` on to `read`; `false` when there is nothing at all at `first`.
    ///
    /// # Errors
    /// Those of `read`; `Refused` for a next page at another registry, and for a chain that does not end.
    pub(super) async fn pages(
        &self,
        first: Url,
        scope: &Scope,
        read: &mut (dyn FnMut(&Bytes) -> Result<(), ClientError> + Send),
    ) -> Result<bool, ClientError> {
        let mut url = first;
        for page in 0..MAX_PAGES {
            let request = Request::new(Method::GET, url.clone());
            let what = request.what();
            let response = match self.ask(request, scope).await {
                Err(error) if page == 0 && error.is_not_found() => return Ok(false),
                answered => answered?,
            };
            let next =
                next(response.headers()).map(|target| self.own(&url, &target, "next page")).transpose()?;
            read(&answer::body(&what, response, MAX_PAGE).await?)?;
            match next {
                Some(next) if next != url => url = next,
                _ => return Ok(true),
            }
        }
        Err(ClientError::Refused(format!("{} has more than {MAX_PAGES} pages of one list", self.host)))
    }
}

fn next(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|value| {
        let (target, parameters) = value.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|one| ["rel=\"next\"", "rel=next"].contains(&one.trim()));
        is_next.then(|| target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn the_next_page_is_found() {
        let mut headers = HeaderMap::new();
        assert_eq!(next(&headers), None);
        headers.append(LINK, HeaderValue::from_static("</first>; rel=\"prev\""));
        headers.append(LINK, HeaderValue::from_static("</v2/a/tags/list?last=x>; rel=\"next\""));
        assert_eq!(next(&headers).as_deref(), Some("/v2/a/tags/list?last=x"));
        headers.clear();
        headers.append(LINK, HeaderValue::from_static("</x>; title=a; rel=next"));
        assert_eq!(next(&headers).as_deref(), Some("/x"));
        headers.clear();
        headers.append(LINK, HeaderValue::from_static("/x; rel=next"));
        assert_eq!(next(&headers), None);
    }
}
