//! The `Debug` of a builder.

use std::fmt;

use super::DefenderClientBuilder;

impl fmt::Debug for DefenderClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefenderClientBuilder")
            .field("transport", &self.transport)
            .field("cloud", &self.cloud)
            .field("base_url", &self.base_url)
            .field("prefix", &self.prefix)
            .field("authority", &self.authority)
            .field("audience", &self.audience)
            .field("timeouts", &self.timeouts)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
