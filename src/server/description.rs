//! What a resource publishes about itself, beside its name and its issuers (RFC 9728 section 2).

use crate::error::ConfigProblem;
use crate::remote::url;
use crate::server::builder::ResourceServerBuilder;
use crate::token::resource::Description;
use crate::token::scope::{SCOPE_REMEDY, is_scope_token};

impl ResourceServerBuilder {
    /// The scopes that the metadata document names (`scopes_supported`), so that a client knows what it may ask for.
    /// Default: none, and the member is left out.
    ///
    /// Name what a client needs to begin with, not each scope of each route: clients ask for all that they find here,
    /// and a route names what it lacks by itself (403 `insufficient_scope`).
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::{ProtectedResourceMetadata, ResourceServer};
    /// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com")
    ///     .scopes_supported(["orders:read"])
    ///     .resource_name("Orders")
    ///     .resource_documentation("https://example.com/docs/orders")
    ///     .build()?;
    /// let metadata = ProtectedResourceMetadata::of(&server).expect("the audience is an https URL");
    /// let document: serde_json::Value = serde_json::from_slice(metadata.json()).unwrap();
    /// assert_eq!(document["scopes_supported"][0], "orders:read");
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn scopes_supported(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.description.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The name of this resource for people (`resource_name`), which an authorization server may show when it asks
    /// for consent. Default: none.
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.description.name = Some(name.into());
        self
    }

    /// Where developers read about this resource (`resource_documentation`): an https URL. Default: none.
    pub fn resource_documentation(mut self, url: impl Into<String>) -> Self {
        self.description.documentation = Some(url.into());
        self
    }

    /// Answers the metadata document of a resource with a path also at the root of its host
    /// (`/.well-known/oauth-protected-resource`). Default: at the path of the resource only.
    ///
    /// Some MCP clients look there first. The root document is that of the whole host, so leave this off where
    /// another resource of the host has the root, and expect strict clients to refuse it (RFC 9728 section 3.3).
    pub fn metadata_at_root(mut self) -> Self {
        self.description.at_root = true;
        self
    }

    pub(super) fn description_problems(&self) -> impl Iterator<Item = ConfigProblem> {
        let Description { scopes, name, documentation, .. } = &self.description;
        let malformed = scopes.iter().filter(|scope| !is_scope_token(scope));
        let scopes = malformed.map(|scope| ConfigProblem::new("scopes_supported", scope, SCOPE_REMEDY));
        let unnamed = name.iter().filter(|name| name.trim().is_empty());
        let unnamed =
            unnamed.map(|name| ConfigProblem::new("resource_name", name, "must say something; or leave it out"));
        let page = documentation.iter().filter_map(|page| {
            // Of a page, unlike of a resource, a part can be named.
            let whole = page.split('#').next().unwrap_or_default();
            let bad = url::check(whole, self.allow_http).err()?;
            Some(ConfigProblem::new("resource_documentation", url::shown(page), bad.remedy()))
        });
        scopes.chain(unnamed).chain(page)
    }
}
