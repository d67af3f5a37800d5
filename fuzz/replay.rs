//! Replays the corpus of every target, so that what was once found stays found.

use std::fs;
use std::path::Path;

use crate::fuzz_targets::TARGETS;

#[test]
fn f01_f02_f03_f04_f05_f06_f07_f08_f09_f10_f11_f12_every_target_agrees_with_its_oracle_on_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let folder = fs::read_dir(corpus.join(name)).unwrap_or_else(|_| panic!("{name} has no corpus"));
        let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "{name} has {} seeds", files.len());
        target(b"");
        for file in files {
            let seed = fs::read(&file).unwrap();
            assert!(seed.len() <= 2048, "{} is too large for a seed", file.display());
            // The name of the seed stands in the captured output of a panic.
            println!("{}", file.display());
            target(&seed);
        }
    }
}
