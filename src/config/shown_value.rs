//! How a value of the file stands in a problem.

use serde_json::Value;

/// The value of a key that is not known, which may be a secret under a misspelled name.
pub(super) fn hidden(value: &Value) -> String {
    if value.is_boolean() { value.to_string() } else { "...".into() }
}

/// A value as it is shown in a problem, bounded.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => "{...}".into(),
        other => other.to_string(),
    };
    text.chars().take(128).collect()
}
