//! Mistakes in the configuration.

use std::borrow::Cow;
use std::fmt;

/// Every mistake in a configuration at once, each with the offending value and the remedy.
///
/// Comes from [`build`](crate::ResourceServerBuilder::build) and from
/// [`RequireScope::try_all`](crate::RequireScope::try_all); never from anything a client sends.
///
/// # Example
/// ```
/// # use tower_bearer::ResourceServer;
/// let error = ResourceServer::builder("https://api.example.com", "http://as.example.com").build().unwrap_err();
/// assert!(error.to_string().contains("`http://as.example.com`"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

/// One mistake: what was set, to what, why that cannot be, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// The setter or argument, such as `issuer`; in a file the key path, such as `issuers[0].issuer`.
    pub setting: Cow<'static, str>,
    /// The value as given; empty where the value is a secret.
    pub value: String,
    /// What is wrong with it and what to do.
    pub remedy: String,
}

impl ConfigProblem {
    pub(crate) fn new(
        setting: impl Into<Cow<'static, str>>,
        value: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        ConfigProblem { setting: setting.into(), value: value.to_string(), remedy: remedy.to_string() }
    }
}

impl ConfigError {
    /// Ok where nothing is wrong.
    pub(crate) fn unless_empty(problems: Vec<ConfigProblem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    #[cfg(feature = "config")]
    pub(crate) fn into_problems(self) -> Vec<ConfigProblem> {
        self.problems
    }

    /// The same mistakes under other names of settings, where there is another one.
    #[cfg(feature = "config")]
    pub(crate) fn renamed(mut self, name: impl Fn(&str) -> Option<String>) -> Self {
        for problem in &mut self.problems {
            if let Some(name) = name(&problem.setting) {
                problem.setting = name.into();
            }
        }
        self
    }

    /// The mistakes, in the order of the configuration.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`: {}", self.setting, self.value.escape_debug(), self.remedy)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
