//! How a token was presented, and whether it may be. The token decides: a binding that cannot be checked is a refusal, or
//! a stolen token would pass (RFC 9449 section 7.2, RFC 8705 section 3).

use std::borrow::Cow;

use http::Method;

use crate::server::mtls::{Shown, check_certificate};
use crate::server::resource_server::Inner;
use crate::token::claims::ClaimSet;
use crate::token::error::{AuthError, Reason};
use crate::token::request::{Credentials, Head, ResourceRequest, Scheme};
use crate::verify::proof::Proven;
use crate::verify::target::{BadTarget, Target};

/// What must be known of a request once its token is verified.
pub(super) enum Presentation<'a> {
    Bearer { beside_proof: bool, certificate: Shown },
    Dpop(Proof<'a>),
}

/// A proof and what it must have been made for.
pub(super) struct Proof<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) method: Method,
    pub(super) target: Result<Target, BadTarget>,
    pub(super) certificate: Shown,
    /// Equal for this very token with this very proof only.
    pub(super) mark: u128,
}

/// A proof that passed.
pub(super) struct Passed {
    pub(super) proven: Proven,
    pub(super) good: GoodProof,
}

/// What is left of a proof that passed.
#[derive(Debug)]
pub(crate) struct GoodProof {
    /// Equal for this very token with this very proof only.
    pub(crate) mark: u128,
    /// For the answer, where the proof's nonce will soon be refused.
    pub(crate) next_nonce: Option<Box<str>>,
}

impl Presentation<'_> {
    pub(super) fn scheme(&self) -> Scheme {
        match self {
            Presentation::Bearer { .. } => Scheme::Bearer,
            Presentation::Dpop(_) => Scheme::Dpop,
        }
    }

    /// For a request that waits.
    pub(super) fn into_owned(self) -> Presentation<'static> {
        match self {
            Presentation::Bearer { beside_proof, certificate } => Presentation::Bearer { beside_proof, certificate },
            Presentation::Dpop(proof) => {
                Presentation::Dpop(Proof { text: Cow::Owned(proof.text.into_owned()), ..proof })
            }
        }
    }
}

impl Inner {
    /// What the credentials of a request are worth here. Those of a scheme that is not taken are worth nothing, whether
    /// they can be read or not; but a Bearer token for a server that takes DPoP alone is no request without a token.
    pub(super) fn take<'a>(
        &self,
        read: Result<ResourceRequest<'a>, AuthError>,
    ) -> Result<ResourceRequest<'a>, AuthError> {
        let scheme = match &read {
            Ok(request) => request.scheme(),
            Err(error) => error.scheme(),
        };
        match scheme {
            Some(scheme) if self.resource.schemes.offer(scheme) => read,
            Some(Scheme::Bearer) => Err(Reason::BearerNotTaken.into()),
            Some(Scheme::Dpop) => Ok(ResourceRequest::NONE),
            None => read,
        }
    }

    /// The token of a request, and how it is presented.
    pub(super) fn read<'a>(&self, request: ResourceRequest<'a>) -> Result<(&'a str, Presentation<'a>), AuthError> {
        match (self.take(Ok(request))?.credentials(), &self.proofs) {
            (Credentials::Bearer { token, beside_proof, head }, proofs) => {
                let certificate = self.certificate(head);
                Ok((token, Presentation::Bearer { beside_proof: beside_proof && proofs.is_some(), certificate }))
            }
            (Credentials::Dpop { token, proof, head }, Some(proofs)) => {
                let mark = self.mark(token, proof);
                let (text, method) = (Cow::Borrowed(proof), head.method.clone());
                let (target, certificate) = (proofs.target(head), self.certificate(Some(head)));
                Ok((token, Presentation::Dpop(Proof { text, method, target, certificate, mark })))
            }
            (Credentials::Nothing | Credentials::Dpop { .. }, _) => Err(Reason::MissingToken.into()),
        }
    }

    /// The binding first, which costs nothing, then the proof. What a good proof leaves to do comes back.
    pub(super) fn check_presentation(
        &self,
        set: &ClaimSet,
        token: &str,
        presentation: &Presentation<'_>,
        now: u64,
    ) -> Result<Option<Passed>, AuthError> {
        let proof = match presentation {
            Presentation::Bearer { beside_proof, certificate } => {
                check_binding(set, certificate)?;
                return if *beside_proof { Err(Reason::StrayProof.into()) } else { Ok(None) };
            }
            Presentation::Dpop(proof) => proof,
        };
        let confirmation = set.confirmation.as_ref().ok_or(Reason::TokenNotBound)?;
        let thumbprint = confirmation.key_thumbprint.as_deref().ok_or(Reason::TokenNotBound)?;
        check_certificate(set, &proof.certificate)?;
        let proofs = self.proofs.as_ref().ok_or(Reason::MissingToken)?;
        let proven = proofs.check(proof, token, thumbprint, now)?;
        let next_nonce = if proven.renew_nonce { proofs.next_nonce(now) } else { None };
        Ok(Some(Passed { proven, good: GoodProof { mark: proof.mark, next_nonce } }))
    }

    /// The certificate of a request, where one can be had.
    pub(super) fn certificate(&self, head: Option<Head<'_>>) -> Shown {
        match (&self.certificates, head) {
            (None, _) => Shown::NoSource,
            (Some(_), None) => Shown::Nothing,
            (Some(certificates), Some(head)) => certificates.of(head),
        }
    }

    pub(super) fn mark(&self, token: &str, proof: &str) -> u128 {
        // A space stands in neither.
        self.cache.digest([token, proof].join(" ").as_bytes())
    }
}

/// The binding of a token that was presented as a Bearer token.
pub(super) fn check_binding(set: &ClaimSet, certificate: &Shown) -> Result<(), Reason> {
    match &set.confirmation {
        Some(confirmation) if confirmation.key_thumbprint.is_some() => Err(Reason::SenderConstrained),
        _ => check_certificate(set, certificate),
    }
}
