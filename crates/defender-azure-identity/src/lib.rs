#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod credential;
mod error;

pub use credential::AzureCredential;
