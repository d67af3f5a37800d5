//! The preset for servers of the Model Context Protocol.

use crate::error::ConfigProblem;
use crate::remote::url;
use crate::server::builder::ResourceServerBuilder;
use crate::server::issuer::Issuer;
use crate::server::resource_server::ResourceServer;

/// Clients ask the authorization server for it; it is no scope of a resource.
const OFFLINE_ACCESS: &str = "offline_access";

impl ResourceServer {
    /// A configuration with what the authorization part of the Model Context Protocol asks of a server (revisions
    /// 2025-06-18 to 2026-07-28), on top of the defaults of [`builder`](ResourceServer::builder).
    ///
    /// `resource` is the URL of the MCP endpoint, as clients write it: https (http on loopback), without fragment. It is
    /// resource identifier and audience. Settled here:
    ///
    /// - The metadata document (RFC 9728) is always there, names the issuers, and every challenge points to it.
    /// - Tokens must be for this server: its URL in `aud`. The form with and without one slash at the end counts, and the
    ///   one with scheme and host in small letters, because clients write them so (RFC 8707 section 2). Nothing else is forgiven.
    /// - [`AuthLayer`](crate::AuthLayer) removes the token before the inner service is called: a server must not pass it on.
    /// - `offline_access` in `challenge_scope` or `scopes_supported` is a mistake.
    ///
    /// Name the scopes that a client should begin with in
    /// [`challenge_scope`](ResourceServerBuilder::challenge_scope); a 401 without a token carries them. It knows nothing of
    /// sessions: each request is judged by its own token, also within a session.
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::{AuthLayer, ResourceServer};
    /// let server = ResourceServer::mcp("https://tools.example.com/mcp", "https://as.example.com")
    ///     .challenge_scope(["tools:read"])
    ///     .scopes_supported(["tools:read", "tools:write"])
    ///     .build()?;
    /// let layer = AuthLayer::new(server);
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn mcp(resource: impl Into<String>, issuer: impl Into<Issuer>) -> ResourceServerBuilder {
        let resource = resource.into();
        let builder = ResourceServerBuilder::new(resource.clone(), issuer.into());
        let mut builder = other_forms(&resource).into_iter().fold(builder, ResourceServerBuilder::audience);
        builder.mcp = true;
        builder.resource(resource)
    }
}

impl ResourceServerBuilder {
    pub(super) fn mcp_problems(&self) -> Vec<ConfigProblem> {
        if !self.mcp {
            return Vec::new();
        }
        let scopes = [("challenge_scope", &self.challenge_scope), ("scopes_supported", &self.description.scopes)];
        let offline = scopes.into_iter().filter(|(_, scopes)| scopes.iter().any(|scope| scope == OFFLINE_ACCESS));
        let remedy = "is a matter between client and authorization server; leave it out";
        let mut problems: Vec<_> =
            offline.map(|(setting, _)| ConfigProblem::new(setting, OFFLINE_ACCESS, remedy)).collect();
        // Where http is allowed by hand there would be a resource without a document.
        if let Some(resource) = &self.resource
            && url::check(resource, self.allow_http).is_ok()
            && let Err(bad) = url::check(resource, false)
        {
            let remedy =
                format!("{}; an MCP server has a metadata document, which clients must be able to trust", bad.remedy());
            problems.push(ConfigProblem::new("resource", url::shown(resource), remedy));
        }
        problems
    }
}

/// The further forms in which clients write the same URL: one slash at the end or none, scheme and host in small letters.
fn other_forms(resource: &str) -> Vec<String> {
    if url::check(resource, true).is_err() {
        return Vec::new();
    }
    let slash = |text: &str| match text.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{text}/"),
    };
    let small = in_small_letters(resource);
    let mut forms = vec![small.clone()];
    // A slash behind a query would be part of the query.
    if !resource.contains('?') {
        forms.extend([slash(resource), slash(&small)]);
    }
    let mut seen = vec![resource.to_owned()];
    forms.retain(|form| {
        let new = !seen.contains(form);
        seen.push(form.clone());
        new
    });
    forms
}

/// Scheme and host only: a path is told apart by its letters.
fn in_small_letters(resource: &str) -> String {
    let authority = resource.find("//").map_or(0, |slashes| slashes + 2);
    let (scheme, rest) = resource.split_at(authority);
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    format!("{}{}{path}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8707_2_c_the_other_forms_of_a_resource_differ_in_case_of_the_host_and_one_slash() {
        for (resource, forms) in [
            ("https://h/mcp", &["https://h/mcp/"][..]),
            ("https://h/mcp/", &["https://h/mcp"]),
            ("https://h", &["https://h/"]),
            ("HTTPS://H:8443/Mcp", &["https://h:8443/Mcp", "HTTPS://H:8443/Mcp/", "https://h:8443/Mcp/"]),
            ("https://h/mcp?a=/B", &[]),
            ("https://h/mcp//", &["https://h/mcp/"]),
            ("urn:Mcp", &[]),
            ("https://h#f", &[]),
        ] {
            assert_eq!(other_forms(resource), forms, "{resource}");
        }
    }
}
