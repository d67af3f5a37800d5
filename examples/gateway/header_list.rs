//! Header fields that hold lists.

use http::HeaderMap;
use http::header::HeaderName;

/// The members of a comma-separated field, over all its lines.
pub fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|member| !member.is_empty())
}
