//! What the operating system knows: CPU time of a process, the machine, on which core something runs.

use std::fs;
use std::process::{Command, Stdio};

/// The CPU time of all threads of a process in nanoseconds, finer than the clock ticks of `stat`.
pub fn cpu_nanos(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let of_one = |path: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    threads.filter_map(|thread| of_one(thread.path())).sum()
}

/// The command, bound to one core where that can be done.
pub fn pinned(core: usize, program: &std::path::Path) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// Binds this thread to some cores.
pub fn pin_self(cores: &str) {
    let thread = fs::read_link("/proc/thread-self").ok();
    let thread = thread.as_deref().and_then(|path| path.file_name()?.to_str());
    if let Some(thread) = thread.filter(|_| can_pin()) {
        let quiet = Command::new("taskset").args(["-p", "-c", cores, thread]).stdout(Stdio::null()).status();
        quiet.expect("taskset was there a moment ago");
    }
}

/// Lets this thread run anywhere again.
pub fn unpin_self() {
    pin_self(&format!("0-{}", cores() - 1));
}

/// With one core there is nothing to choose.
pub fn can_pin() -> bool {
    let found = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    cores() > 1 && found.is_ok_and(|status| status.success())
}

/// All of the machine, also when this thread is bound to one of them.
pub fn cores() -> usize {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines().filter(|line| line.starts_with("processor")).count().max(1)
}

/// Processor, cores and kernel.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    format!("{model}, {} cores, Linux {kernel}", cores())
}

/// The version of a package in this build.
pub fn version(package: &str) -> Option<&'static str> {
    let lock = include_str!("../Cargo.lock");
    let entry = lock.split("[[package]]").filter(|entry| entry.contains(&format!("\nname = \"{package}\"\n")));
    let versions = entry.filter_map(|entry| entry.split("version = \"").nth(1)?.split('"').next());
    // Where a package is there twice, the newest is the one that stands in the tables.
    versions.last()
}
