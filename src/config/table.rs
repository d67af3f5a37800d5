//! Reads a table of settings key by key and notes every mistake, so that all are reported at once.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::duration::parse_duration;
use super::folder::{ConfigFiles, Folder};
use super::shown_value::{hidden, shown};
use crate::error::{ConfigError, ConfigProblem};

/// A table of a configuration file on its way into settings.
///
/// Each reader takes its key out of the table. A value of the wrong type is noted as a problem with key path,
/// value and remedy, and reading goes on; [`finish`](ConfigTable::finish) notes the keys that nobody
/// asked for. Durations are written as `"300ms"`, `"30s"`, `"5m"`, `"24h"`, `"7d"`.
///
/// # Example
/// ```
/// # use tower_bearer::ConfigTable;
/// # use serde_json::json;
/// let mut table = ConfigTable::new(json!({"leeway": "30x", "colour": "red"}), ".");
/// assert_eq!(table.duration("leeway"), None);
/// let error = table.finish().unwrap_err();
/// assert_eq!(error.problems().len(), 2);
/// ```
pub struct ConfigTable {
    path: String,
    folder: Folder,
    members: Map<String, Value>,
    problems: Vec<ConfigProblem>,
}

impl ConfigTable {
    /// A table as parsed from TOML, JSON or the like. Relative file names in it are relative to `folder`.
    pub fn new(value: Value, folder: impl Into<PathBuf>) -> Self {
        ConfigTable::at(String::new(), Folder::new(folder.into()), value)
    }

    fn at(path: String, folder: Folder, value: Value) -> Self {
        let mut table = ConfigTable { path, folder, members: Map::new(), problems: Vec::new() };
        match value {
            Value::Object(members) => table.members = members,
            other => table.problems.push(ConfigProblem::new(table.path.clone(), shown(&other), "must be a table")),
        }
        table
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a problem with a key of this table.
    pub fn problem(&mut self, key: &str, value: impl std::fmt::Display, remedy: impl std::fmt::Display) {
        let path = self.path_of(key);
        self.problems.push(ConfigProblem::new(path, value, remedy));
    }

    /// Adds problems that were found elsewhere.
    pub fn absorb(&mut self, error: ConfigError) {
        self.problems.extend(error.into_problems());
    }

    /// True if the key is there and was not read yet.
    pub fn has(&self, key: &str) -> bool {
        self.members.contains_key(key)
    }

    /// The value of a key as problems show it; empty where it is absent.
    pub(crate) fn shown(&self, key: &str) -> String {
        self.members.get(key).map(shown).unwrap_or_default()
    }

    /// True if a problem with this key of this table was noted.
    pub(crate) fn has_problem(&self, key: &str) -> bool {
        let path = self.path_of(key);
        self.problems.iter().any(|problem| problem.setting == path)
    }

    /// Takes a key out that must not be there, and says why not. Its value is shown: it must be no secret.
    pub fn refuse(&mut self, key: &str, remedy: &str) {
        if let Some(value) = self.members.remove(key) {
            self.problem(key, shown(&value), remedy);
        }
    }

    /// The same in each table of a list.
    pub fn refuse_in_each(&mut self, list: &str, keys: &[&str], remedy: &str) {
        let path = self.path_of(list);
        let tables = self.members.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().enumerate();
        for (index, table) in tables {
            for key in keys {
                if let Some(value) = table.as_object_mut().and_then(|members| members.remove(*key)) {
                    let key = format!("{path}[{index}].{key}");
                    self.problems.push(ConfigProblem::new(key, shown(&value), remedy));
                }
            }
        }
    }

    fn take<T>(&mut self, key: &str, remedy: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.members.remove(key)?;
        let found = read(&value);
        if found.is_none() {
            self.problem(key, shown(&value), remedy);
        }
        found
    }

    /// A string.
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, "must be a string", |value| value.as_str().map(String::from))
    }

    /// A string that means something.
    pub(crate) fn parsed<T>(&mut self, key: &str, remedy: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.take(key, remedy, |value| read(value.as_str()?))
    }

    /// True if the key is there and a string.
    pub(crate) fn is_text(&self, key: &str) -> bool {
        self.members.get(key).is_some_and(Value::is_string)
    }

    /// A string that must be there.
    pub fn required_text(&mut self, key: &str, remedy: &str) -> Option<String> {
        if !self.has(key) {
            self.problem(key, "", remedy);
        }
        self.text(key)
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let remedy = format!("must be one of {}", names.join(", "));
        self.take(key, &remedy, |value| words.iter().find(|(word, _)| value == word).map(|(_, choice)| *choice))
    }

    /// True or false; false where it is absent.
    pub fn flag(&mut self, key: &str) -> bool {
        self.take(key, "must be true or false", Value::as_bool).unwrap_or_default()
    }

    /// A whole number of zero or more.
    pub fn number(&mut self, key: &str) -> Option<u64> {
        self.take(key, "must be a whole number of 0 or more", Value::as_u64)
    }

    /// A duration such as `"30s"`.
    pub fn duration(&mut self, key: &str) -> Option<Duration> {
        let remedy = "must be a duration such as \"300ms\", \"30s\", \"5m\", \"24h\" or \"7d\"";
        self.take(key, remedy, |value| parse_duration(value.as_str()?))
    }

    /// A list of strings with one member at least.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let texts = self.texts_or_none(key)?;
        if texts.is_empty() {
            self.problem(key, "[]", "must hold one string at least; leave the key out for the default");
            return None;
        }
        Some(texts)
    }

    /// A string, or a list of strings with one member at least.
    pub fn text_or_texts(&mut self, key: &str) -> Option<Vec<String>> {
        match self.members.get(key) {
            Some(Value::Array(_)) => self.texts(key),
            _ => self.take(key, "must be a string or a list of strings", |value| Some(vec![value.as_str()?.into()])),
        }
    }

    /// A list of strings, which may be empty.
    pub fn texts_or_none(&mut self, key: &str) -> Option<Vec<String>> {
        self.take(key, "must be a list of strings", |value| {
            value.as_array()?.iter().map(|item| item.as_str().map(String::from)).collect()
        })
    }

    /// A table of strings, sorted by its keys.
    pub fn pairs(&mut self, key: &str) -> Vec<(String, String)> {
        let pairs = self.take(key, "must be a table of strings", |value| {
            value.as_object()?.iter().map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned()))).collect()
        });
        pairs.unwrap_or_default()
    }

    /// A table below this one.
    pub fn table(&mut self, key: &str) -> Option<ConfigTable> {
        let value = self.members.remove(key)?;
        Some(ConfigTable::at(self.path_of(key), self.folder.clone(), value))
    }

    /// A list of tables below this one, numbered from 0 in key paths.
    pub fn tables(&mut self, key: &str) -> Vec<ConfigTable> {
        let list = self.take(key, "must be a list of tables (`[[...]]`)", |value| value.as_array().cloned());
        let path = self.path_of(key);
        let list = list.unwrap_or_default().into_iter().enumerate();
        list.map(|(index, value)| ConfigTable::at(format!("{path}[{index}]"), self.folder.clone(), value)).collect()
    }

    /// The bytes of a file that is named here.
    pub fn file(&mut self, key: &str) -> Option<Vec<u8>> {
        let name = self.text(key)?;
        match self.folder.read(&name) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.problem(key, name, format_args!("the file cannot be read: {error}"));
                None
            }
        }
    }

    /// The name of a file that need not exist yet, in a folder that must.
    pub(crate) fn path_to_write(&mut self, key: &str) -> Option<PathBuf> {
        let name = self.text(key)?;
        let path = self.folder.join(&name);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(".".as_ref());
        if name.is_empty() || path.is_dir() || !folder.is_dir() {
            self.problem(key, name, "must name a file in a folder that exists");
            return None;
        }
        Some(path)
    }

    /// A secret: the text of `key`, of the environment variable named by `key_env`, or of the file named by
    /// `key_file` (without its last line break). No problem ever shows it.
    pub fn secret(&mut self, key: &str) -> Option<String> {
        let (from_env, from_file) = (format!("{key}_env"), format!("{key}_file"));
        let given = [key, &from_env, &from_file].iter().filter(|key| self.has(key)).count();
        if given > 1 {
            self.problem(key, "", format_args!("must stand once: as `{key}`, `{from_env}` or `{from_file}`"));
        }
        let value = self.members.remove(key);
        if value.as_ref().is_some_and(|value| !value.is_string()) {
            self.problem(key, "", "must be a string");
        }
        let plain = value.and_then(|value| value.as_str().map(String::from));
        let variable = self.text(&from_env).and_then(|name| match std::env::var(&name) {
            Ok(secret) => Some(secret),
            Err(_) => {
                // What is no name may be the secret itself, put into the wrong key.
                let is_name =
                    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
                self.problem(&from_env, if is_name { &name } else { "..." }, "the environment variable is not set");
                None
            }
        });
        let file = self.file(&from_file).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| self.problem(&from_file, "", "the file must hold UTF-8 text")).ok()
        });
        plain.or(variable).or(file.map(|text| text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// The files that this table names, and those below it: a list that fills while it is read.
    pub fn files(&self) -> ConfigFiles {
        self.folder.files()
    }

    /// The path of this table in key paths, such as `issuers[0]`; empty at the top.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    /// Ends reading: what is left is unknown.
    ///
    /// # Errors
    /// Every problem noted so far.
    pub fn finish(mut self) -> Result<(), ConfigError> {
        for (key, value) in std::mem::take(&mut self.members) {
            self.problem(&key, hidden(&value), "is not a setting here; see the documentation for the names");
        }
        ConfigError::unless_empty(self.problems)
    }
}

/// Shows the keys and no value, which may be a secret.
impl fmt::Debug for ConfigTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.members.keys().collect();
        f.debug_struct("ConfigTable").field("path", &self.path).field("keys", &keys).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_mistake_is_noted_with_its_path_and_no_secret_is_shown() {
        let mut table = ConfigTable::new(
            json!({"a": 1, "n": -1, "list": [], "inner": {"x": true, "y": 2}, "key": 7, "pass": "hunter22"}),
            ".",
        );
        assert_eq!(table.text("a"), None);
        assert_eq!(table.number("n"), None);
        assert_eq!(table.texts("list"), None);
        assert_eq!(table.secret("key"), None);
        let mut inner = table.table("inner").unwrap();
        assert_eq!(inner.text("x"), None);
        table.absorb(inner.finish().unwrap_err());
        let error = table.finish().unwrap_err();
        let paths: Vec<&str> = error.problems().iter().map(|problem| &*problem.setting).collect();
        assert_eq!(paths, ["a", "n", "list", "key", "inner.x", "inner.y", "pass"]);
        assert!(!error.to_string().contains("hunter22"));
    }
}
