//! Why a proof is refused.

use std::borrow::Cow;
use std::fmt;

use super::target::BadTarget;

/// One check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProofFault {
    check: ProofCheck,
    detail: Cow<'static, str>,
}

/// Whose fault it is; decides the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultClass {
    /// `invalid_dpop_proof`
    InvalidProof,
    /// `use_dpop_nonce`
    NonceNeeded,
    /// `invalid_token`: the proof may be good, for another token.
    KeyMismatch,
}

/// The checks of RFC 9449 section 4.3, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProofCheck {
    Form,
    Type,
    Algorithm,
    Key,
    Claims,
    Method,
    Target,
    Token,
    Nonce,
    Age,
    Binding,
    Signature,
}

impl ProofCheck {
    pub(super) fn failed(self, detail: impl Into<Cow<'static, str>>) -> ProofFault {
        ProofFault { check: self, detail: detail.into() }
    }

    /// A stable code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            ProofCheck::Form => "proof_malformed",
            ProofCheck::Type => "proof_type",
            ProofCheck::Algorithm => "proof_algorithm",
            ProofCheck::Key => "proof_key",
            ProofCheck::Claims => "proof_claims",
            ProofCheck::Method => "proof_method",
            ProofCheck::Target => "proof_target",
            ProofCheck::Token => "proof_token",
            ProofCheck::Nonce => "proof_nonce",
            ProofCheck::Age => "proof_age",
            ProofCheck::Binding => "proof_binding",
            ProofCheck::Signature => "proof_signature",
        }
    }
}

impl ProofFault {
    /// Which check failed.
    #[cfg(test)]
    pub(crate) fn check(&self) -> ProofCheck {
        self.check
    }

    pub(crate) fn class(&self) -> FaultClass {
        match self.check {
            ProofCheck::Nonce => FaultClass::NonceNeeded,
            ProofCheck::Binding => FaultClass::KeyMismatch,
            _ => FaultClass::InvalidProof,
        }
    }
}

/// The request's own target cannot be told: no proof can be for it.
impl From<BadTarget> for ProofFault {
    fn from(bad: BadTarget) -> Self {
        ProofCheck::Target.failed(format!("the request's target: {bad}"))
    }
}

/// For the operator: nothing that a stranger chose stands there unescaped.
impl fmt::Display for ProofFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check.code(), self.detail)
    }
}
