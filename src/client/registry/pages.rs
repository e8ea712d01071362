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
    /// Hands every page from `first` on to `read`.
    ///
    /// # Errors
    /// Those of `read`; `Refused` for a next page at another registry, and for a chain that does not end.
    pub(super) async fn pages(
        &self,
        first: Url,
        scope: &Scope,
        read: &mut (dyn FnMut(&Bytes) -> Result<(), ClientError> + Send),
    ) -> Result<(), ClientError> {
        let mut url = first;
        for _ in 0..MAX_PAGES {
            let request = Request::new(Method::GET, url.clone());
            let what = request.what();
            let response = self.ask(request, scope).await?;
            let next =
                next(response.headers()).map(|target| self.own(&url, &target, "next page")).transpose()?;
            read(&answer::body(&what, response, MAX_PAGE).await?)?;
            match next {
                Some(next) if next != url => url = next,
                _ => return Ok(()),
            }
        }
        Err(ClientError::Refused(format!("{} has more than {MAX_PAGES} pages of one list", self.host)))
    }
}

fn next(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    values
        .into_iter()
        .find_map(|value| links(value).into_iter().find(|link| link.is_next).map(|link| link.target))
}

struct Target {
    target: String,
    is_next: bool,
}

/// `<target>; rel="next", <target>; rel=prev`: a header may hold several links.
fn links(mut rest: &str) -> Vec<Target> {
    let mut links = Vec::new();
    while let Some((target, after)) =
        rest.trim_start_matches([' ', '\t', ',']).strip_prefix('<').and_then(|rest| rest.split_once('>'))
    {
        // A comma that is followed by `<` begins the next link; one inside of a quoted parameter does so hardly ever.
        let end = after
            .match_indices(',')
            .map(|(at, _)| at)
            .find(|at| after[at + 1..].trim_start().starts_with('<'));
        let (parameters, behind) = after.split_at(end.unwrap_or(after.len()));
        let is_next = parameters.split(';').any(|one| {
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            let mut types = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && types.any(|one| one.eq_ignore_ascii_case("next"))
        });
        links.push(Target { target: target.trim().to_owned(), is_next });
        rest = behind;
    }
    links
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
        for value in
            ["</a>; rel=prev, </x>; rel = \"NEXT\"", "</x,y>; REL=next;, </z>", " </x>; rel=\"last next\""]
        {
            headers.clear();
            headers.append(LINK, HeaderValue::from_static(value));
            assert!(next(&headers).is_some_and(|target| target.starts_with("/x")), "{value}");
        }
        headers.clear();
        headers.append(LINK, HeaderValue::from_static("/x; rel=next"));
        assert_eq!(next(&headers), None);
    }
}
