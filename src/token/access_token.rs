//! The secret that travels.

use std::fmt;

/// An access token as received: a secret whose text no `Debug`, log or error ever shows.
///
/// It does not tell whether the token is good; only
/// [`ResourceServer::authenticate`](crate::ResourceServer::authenticate) does.
///
/// # Example
/// ```
/// # use tower_bearer::AccessToken;
/// let token = AccessToken::new("eyJhbGciOi");
/// assert_eq!(format!("{token:?}"), "AccessToken(..)");
/// ```
#[derive(Clone)]
pub struct AccessToken(Box<str>);

impl AccessToken {
    /// Takes the token's text over.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        AccessToken(text.into())
    }

    /// The token's text, to be passed on and never to be logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}
