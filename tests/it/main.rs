//! Everything that needs two floors, tested through public names only. One crate, so that it links once.
//!
//! Names are sentences that begin with the conformance id they prove: `c6750_2_1_a_...`, `s1_01_...`, `r26_...`.

mod access_token_profile;
mod attacks_algorithm;
mod attacks_encoding;
mod attacks_issuer;
mod attacks_keys;
mod attacks_time;
mod bcp;
mod jws;
mod jwt_claims;
mod keys;
mod support;
mod vectors;
mod verdicts;

mod smoke {
    use crate::support::Fixture;
    #[tokio::test]
    async fn a_good_token_passes_and_an_altered_one_does_not() {
        let fixture = Fixture::new();
        let token = fixture.token().subject("alice").sign();
        fixture.bearer(&token).await.assert_ok();
        fixture.bearer(&format!("{token}A")).await.assert_it();
        fixture.bearer(&fixture.token().expired().sign()).await.assert_it();
    }
}
