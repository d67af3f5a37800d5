//! Published vectors: data written by others, run through the public API.
//!
//! The folder is `TOWER_BEARER_VECTORS`, else `../shared/vectors` beside the checkout. Its README says
//! what each level means and where we differ from a label on purpose.

mod documents;
mod json;
mod jws;
mod keys;
mod signatures;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The expectations and where the files stand.
struct Vectors {
    root: PathBuf,
    expected: BTreeMap<String, Value>,
}

/// One case of one file.
struct Case<'a> {
    file: &'a str,
    name: &'a str,
    expected: &'a Value,
    bytes: &'a [u8],
    root: &'a PathBuf,
}

/// What a case must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accept,
    Reject,
    /// Implementations may differ, one implementation may not differ from itself.
    Either,
}

impl Vectors {
    /// The vectors, unless there are none on this machine.
    fn find() -> Option<Vectors> {
        let root = match std::env::var_os("TOWER_BEARER_VECTORS") {
            Some(folder) => PathBuf::from(folder),
            None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
        };
        let Ok(text) = std::fs::read(root.join("EXPECTED.dev.json")) else {
            eprintln!("skipped: no vectors at {}; set TOWER_BEARER_VECTORS", root.display());
            return None;
        };
        Some(Vectors { root, expected: serde_json::from_slice(&text).expect("EXPECTED.dev.json is JSON") })
    }

    /// Runs every case of a level; `run` says what is wrong with it, if anything.
    #[track_caller]
    fn run(&self, level: &str, mut run: impl FnMut(&Case<'_>) -> Result<(), String>) {
        let mut failures = Vec::new();
        let mut done = 0;
        for (file, entry) in self.expected.iter().filter(|(_, entry)| entry["level"] == level) {
            let bytes = std::fs::read(self.root.join(file)).expect(file);
            for (name, expected) in entry["cases"].as_object().expect("cases") {
                let case = Case { file, name, expected, bytes: &bytes, root: &self.root };
                if let Err(wrong) = run(&case) {
                    failures.push(format!("{file} {name}: {wrong} ({})", expected["why"]));
                }
                done += 1;
            }
        }
        assert!(failures.is_empty(), "{} of {done} cases:\n{}", failures.len(), failures.join("\n"));
        let (_, expected) = LEVELS.into_iter().find(|(name, _)| *name == level).expect("a level of the table");
        assert_eq!(done, expected, "cases of level {level}");
    }
}

impl Case<'_> {
    fn json(&self) -> Value {
        serde_json::from_slice(without_bom(self.bytes)).unwrap_or_else(|error| panic!("{}: {error}", self.file))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.bytes).expect(self.file).trim()
    }

    fn index(&self) -> usize {
        self.name.parse().expect("a case by number")
    }

    fn expect(&self) -> &str {
        self.expected["expect"].as_str().expect("expect is a string")
    }

    fn verdict(&self) -> Verdict {
        verdict(self.expect())
    }

    /// Another file of the same folder.
    fn beside(&self, extension: &str) -> Option<Vec<u8>> {
        std::fs::read(self.root.join(self.file).with_extension(extension)).ok()
    }
}

fn verdict(text: &str) -> Verdict {
    match text {
        "accept" => Verdict::Accept,
        "reject" => Verdict::Reject,
        text if text.starts_with("either") => Verdict::Either,
        text => panic!("unknown expectation `{text}`"),
    }
}

/// Compares the answers of two runs with what is expected.
fn judge(expected: Verdict, first: bool, second: bool) -> Result<(), String> {
    if first != second {
        return Err("two runs disagree".into());
    }
    match (expected, first) {
        (Verdict::Accept, false) => Err("refused, should be accepted".into()),
        (Verdict::Reject, true) => Err("accepted, should be refused".into()),
        _ => Ok(()),
    }
}

fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` where the text is not hexadecimal.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    Some(digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit)).collect())
}

/// Every level with the number of its cases; each has one test that runs them all.
const LEVELS: [(&str, usize); 9] = [
    ("alias", 0),
    ("document", 4),
    ("dpop", 4),
    ("json-as-claim-value", 154),
    ("jwk", 10),
    ("jwks", 34),
    ("jws", 320),
    ("raw-signature", 1230),
    ("thumbprint", 1),
];

#[test]
fn no_case_of_the_published_vectors_is_left_out() {
    let Some(vectors) = Vectors::find() else { return };
    let levels: BTreeSet<&str> = vectors.expected.values().map(|entry| entry["level"].as_str().unwrap()).collect();
    assert_eq!(levels, LEVELS.map(|(level, _)| level).into(), "a level without a test");
    for (level, expected) in LEVELS {
        let files = vectors.expected.values().filter(|entry| entry["level"] == level);
        let cases: usize = files.map(|entry| entry["cases"].as_object().unwrap().len()).sum();
        assert_eq!(cases, expected, "cases of level {level}");
    }
    assert_eq!(LEVELS.map(|(_, cases)| cases).iter().sum::<usize>(), 1757);
}
