//! Against authorization servers that nobody here wrote. Each test starts its own on a free loopback port and stops it.
//!
//! The servers are installed by `.ci/run`: npm packages into `tests/interop/node_modules`, Debian packages by apt. Where one
//! is missing its tests say so and pass, and nothing is downloaded; with `TOWER_BEARER_INTEROP=all` that is a failure.

mod django_toolkit;
mod glewlwyd;
mod http;
mod mock_server;
mod oidc_provider;
mod oidc_provider_opaque;
mod process;
mod resource;
