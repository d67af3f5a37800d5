//! The service as data: server and client without `protoc`.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let codec = "tonic_prost::ProstCodec";
    let unary = Method::builder()
        .name("get")
        .route_name("Get")
        .input_type("crate::OrderRequest")
        .output_type("crate::Order")
        .codec_path(codec);
    let streaming = Method::builder()
        .name("watch")
        .route_name("Watch")
        .input_type("crate::OrderRequest")
        .output_type("crate::Order")
        .codec_path(codec)
        .server_streaming();
    let cancel = Method::builder()
        .name("cancel")
        .route_name("Cancel")
        .input_type("crate::OrderRequest")
        .output_type("crate::Order")
        .codec_path(codec);
    let orders = Service::builder()
        .name("Orders")
        .package("shop")
        .method(unary.build())
        .method(streaming.build())
        .method(cancel.build())
        .build();
    Builder::new().compile(&[orders]);
}
