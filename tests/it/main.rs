//! Everything that needs two floors, tested through public names only. One crate, so that it links once.
//!
//! Names are sentences that begin with the conformance id they prove: `c6750_2_1_a_...`, `s1_01_...`, `r26_...`.

mod discovery;
mod faulty_client;
mod key_outage;
mod key_removal;
mod key_sockets;
mod key_store;
mod multi_issuer;
mod runtime;
mod support;
mod testing_tools;
mod token_cache;

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
