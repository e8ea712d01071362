//! From settings to a client of the AWS SDK: endpoint, region, credentials, certificates.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};

use super::{credentials, http};
use crate::network::ProxyVariables;

/// The region of services that have none.
const ANY_REGION: &str = "us-east-1";

/// Where a store is.
#[derive(Clone, Default)]
pub struct Options {
    pub bucket: String,
    /// Without slashes at its ends; empty for the whole bucket.
    pub prefix: String,
    /// The URL of a service that is not AWS.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`.
    pub path_style: bool,
    /// Access key and secret key; unset: the SDK's usual chain of environment, profile, web identity, container, instance.
    pub credentials: Option<(String, String)>,
    /// Certificates in PEM that alone are trusted, instead of the system's and those this program brings.
    pub ca: Option<Vec<u8>>,
    pub proxies: ProxyVariables,
}

pub async fn client(options: &Options) -> Result<Client, String> {
    let http = http::client(options.ca.as_deref(), &options.proxies)?;
    // Repeating and giving up are ours: what may be repeated depends on the verb.
    let timeouts = TimeoutConfig::builder().connect_timeout(http::CONNECT).build();
    let mut shared = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    // Without an endpoint it is AWS, where the usual chain may know the region.
    let region = options.region.clone().or_else(|| options.endpoint.as_ref().map(|_| ANY_REGION.to_owned()));
    if let Some(region) = region {
        shared = shared.region(Region::new(region));
    }
    if let Some((access_key, secret_key)) = &options.credentials {
        shared =
            shared.credentials_provider(Credentials::new(access_key, secret_key, None, None, "settings"));
    }
    let shared = shared.load().await;
    if shared.region().is_none() {
        return Err("no region: add region=NAME to the storage URL, or set AWS_REGION".to_owned());
    }
    if let Some(provider) = shared.credentials_provider() {
        credentials::check(&provider).await?;
    }
    let mut settings = Builder::from(&shared)
        .force_path_style(options.path_style)
        // What services other than AWS do not know, and what broke some of them when it became the default.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(endpoint) = &options.endpoint {
        settings = settings.endpoint_url(endpoint);
    }
    Ok(Client::from_conf(settings.build()))
}
