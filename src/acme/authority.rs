//! An authority, and our account there.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{Account, ExternalAccountKey, NewAccount};
use rustls::RootCertStore;

use super::client::Client;
use super::folder::Folder;
use super::trouble::Trouble;

/// A certificate authority that speaks ACME.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The URL of its directory.
    pub directory: String,
    /// Who vouches for that URL.
    pub roots: Arc<RootCertStore>,
    /// The profile to order.
    pub profile: Option<String>,
    /// What our account is bound to: the key identifier, and the file with the key.
    pub external_account: Option<(String, PathBuf)>,
    /// Whether it is one for everybody, which signs public names only.
    pub is_public: bool,
}

impl Authority {
    /// Our account: the one that is remembered, else a new one.
    pub(super) async fn account(
        &self,
        folder: &Folder,
        contact: Option<&str>,
    ) -> Result<Account, Trouble> {
        let client = || Client::new(self.roots.clone()).map(Box::new);
        let client = client().map_err(|error| Trouble::Unreachable(error.to_string()))?;
        let builder = Account::builder_with_http(client);
        if let Some(remembered) = folder.account(&self.directory)? {
            return Ok(builder.from_credentials(remembered).await?);
        }
        let contact = contact.map(|address| format!("mailto:{address}"));
        let contact: Vec<&str> = contact.as_deref().into_iter().collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let external = self.external_account()?;
        let directory = self.directory.clone();
        let made = builder
            .create(&wanted, directory, external.as_ref())
            .await?;
        let (account, credentials) = made;
        folder.set_account(&self.directory, &credentials)?;
        tracing::info!("account made at {}", self.directory);
        Ok(account)
    }

    fn external_account(&self) -> Result<Option<ExternalAccountKey>, Trouble> {
        let Some((id, file)) = &self.external_account else {
            return Ok(None);
        };
        let text = fs::read_to_string(file)?;
        let text = text.trim().trim_end_matches('=');
        // Some authorities give out base64 where RFC 8555 has base64url.
        let text = text.replace('+', "-").replace('/', "_");
        let key = BASE64_URL_SAFE_NO_PAD.decode(text);
        let key = key.map_err(|_| Trouble::ExternalKey(file.display().to_string()))?;
        Ok(Some(ExternalAccountKey::new(id.clone(), &key)))
    }
}
