//! The file put in force anew when it changes on disk, or one that it names.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use tower_bearer::Algorithm;
use tower_bearer::testing::{SigningKey, TestIssuer};

use super::client::eventually;
use super::harness::{DEADLINE, Folder, Gateway, top};

fn public(issuer: &TestIssuer, path: &str) -> String {
    format!("{}[[rules]]\npath = \"{path}\"\naccess = \"public\"\n", top(issuer))
}

async fn becomes_public(gateway: &Gateway, path: &str) {
    let passes = || async { gateway.get(path, "").await.status == 200 };
    assert!(eventually(DEADLINE, passes).await, "{path}: {}", gateway.log());
}

#[tokio::test]
async fn a_file_that_is_written_renamed_or_linked_anew_is_noticed() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&public(&issuer, "/start"));
    let config = gateway.folder.write("gateway.toml", public(&issuer, "/written"));
    becomes_public(&gateway, "/written").await;
    // As long as before, and perhaps within the same tick of the file system's clock.
    gateway.folder.write("gateway.toml", public(&issuer, "/changed"));
    becomes_public(&gateway, "/changed").await;
    let beside = gateway.folder.write("gateway.toml.new", public(&issuer, "/renamed"));
    fs::rename(beside, &config).unwrap();
    becomes_public(&gateway, "/renamed").await;
    assert_eq!(gateway.get("/start", "").await.status, 401);
}

/// As Kubernetes mounts a secret: the name is a link through `..data`, which is a link to a folder for each version.
#[tokio::test]
async fn a_mounted_secret_that_is_linked_to_its_next_version_is_noticed() {
    let folder = Folder::new();
    let secrets = ["first", "other"].map(|name| format!("{name}-0123456789-abcdefghijklmnopqrstuvwxyz"));
    for (version, secret) in ["..1", "..2"].iter().zip(&secrets) {
        fs::create_dir(folder.0.join(version)).unwrap();
        folder.write(&format!("{version}/secret"), secret);
    }
    symlink("..1", folder.0.join("..data")).unwrap();
    symlink("..data/secret", folder.0.join("secret")).unwrap();
    let issuer = TestIssuer::start().await;
    let file = top(&issuer).replace(" }]", ", shared_secret_file = \"secret\" }]");
    let gateway = Gateway::start_in(folder, &file, |_| {});
    let by_secret = |secret: &str| {
        let key = SigningKey::secret(Algorithm::HS256, secret.as_bytes());
        issuer.token().key(&key).sign()
    };
    let [old, new] = [by_secret(&secrets[0]), by_secret(&secrets[1])];
    assert_eq!(
        (gateway.get("/r", &old).await.status.as_u16(), gateway.get("/r", &new).await.status.as_u16()),
        (200, 401)
    );
    symlink("..2", gateway.folder.0.join("..data_tmp")).unwrap();
    fs::rename(gateway.folder.0.join("..data_tmp"), gateway.folder.0.join("..data")).unwrap();
    assert!(eventually(DEADLINE, || async { gateway.get("/r", &new).await.status == 200 }).await, "{}", gateway.log());
    assert_eq!(gateway.get("/r", &old).await.status, 401);
    // Gone, and back: the file that names it has not changed meanwhile.
    let data = gateway.folder.0.join("..data");
    fs::remove_file(&data).unwrap();
    assert!(eventually(DEADLINE, || async { gateway.log().contains("not put in force") }).await);
    assert_eq!(gateway.get("/r", &new).await.status, 200);
    symlink("..1", &data).unwrap();
    assert!(eventually(DEADLINE, || async { gateway.get("/r", &old).await.status == 200 }).await, "{}", gateway.log());
}

#[tokio::test]
async fn half_a_file_is_never_in_force() {
    let issuer = TestIssuer::start().await;
    let deny = "[[rules]]\npath = \"/secret\"\naccess = \"deny\"\n";
    let half = format!("default_access = \"public\"\n{}", top(&issuer));
    let gateway = Gateway::start(&format!("{half}{deny}"));
    for round in 0..4 {
        // A writer in the middle of its work; what stands there is a good file that says something else.
        gateway.folder.write("gateway.toml", &half);
        tokio::time::sleep(Duration::from_millis(20)).await;
        gateway.folder.write("gateway.toml", format!("{half}{deny}# {round}\n"));
        let wanted = round + 1;
        let looked = || async {
            assert_eq!(gateway.get("/secret", "").await.status, 401);
            gateway.reloads() == wanted
        };
        assert!(eventually(DEADLINE, looked).await, "{}", gateway.log());
    }
}

#[tokio::test]
async fn what_is_not_changed_is_not_read_anew() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&public(&issuer, "/a"));
    gateway.folder.write("gateway.toml", public(&issuer, "/a"));
    gateway.folder.write("unrelated.toml", "x");
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert_eq!(gateway.reloads(), 0);
}
