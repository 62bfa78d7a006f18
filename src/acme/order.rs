//! One order, from the wish to the chain.

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, ChallengeType,
    Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
    RsaKeySize,
};
use time::Duration;

use super::folder::{self, PendingOrder};
use super::trouble::{Refusal, Trouble};
use super::{ChallengeKind, KeyKind};
use crate::listen::certificates::{Certificate, CertificateName};
use crate::listen::challenges::{Answer, Challenges};

/// How long an authority may take to check, and again to sign.
pub(super) const PATIENCE: Duration = Duration::seconds(90);

/// What is ordered, and how.
pub(super) struct Wish<'a> {
    pub(super) name: &'a CertificateName,
    pub(super) authority: &'a str,
    pub(super) profile: Option<&'a str>,
    pub(super) key: KeyKind,
    /// Which challenge to take, the one that is preferred first.
    pub(super) challenges: &'a [ChallengeKind],
    /// The certificate that the new one replaces, for the authority to know.
    pub(super) replaces: Option<CertificateIdentifier<'a>>,
}

/// A certificate and the file that holds it with its key.
pub(super) struct Issued {
    pub(super) certificate: Certificate,
    pub(super) pem: String,
}

/// Takes up an order that a restart interrupted; `None` where nothing can come of it any more.
pub(super) async fn resume(account: &Account, pending: &PendingOrder) -> Option<Order> {
    let mut order = account.order(pending.url.clone()).await.ok()?;
    (order.state().status != OrderStatus::Invalid).then_some(order)
}

/// Places an order; with it comes what must be remembered to take it up again.
pub(super) async fn place(
    account: &Account,
    wish: &Wish<'_>,
) -> Result<(Order, PendingOrder), Trouble> {
    let key = key_pair(wish.key).await?.serialize_pem();
    let identifiers = [identifier(wish.name)];
    let mut new = NewOrder::new(&identifiers);
    if let Some(profile) = wish.profile {
        new = new.profile(profile);
    }
    if let Some(replaces) = &wish.replaces {
        new = new.replaces(replaces.clone());
    }
    let order = account.new_order(&new).await?;
    let pending = PendingOrder {
        authority: wish.authority.to_owned(),
        url: order.url().to_owned(),
        key,
    };
    Ok((order, pending))
}

/// Goes on with an order until there is a certificate.
pub(super) async fn complete(
    mut order: Order,
    wish: &Wish<'_>,
    key_pem: &str,
    challenges: &Challenges,
) -> Result<Issued, Trouble> {
    if order.state().status == OrderStatus::Pending {
        let proved = prove(&mut order, wish, challenges).await;
        // Left behind it harms nobody; the next order of this name replaces it.
        if let Err(error) = challenges.clear(wish.name) {
            tracing::debug!(%error, "a challenge's file stays");
        }
        proved?;
    }
    if order.state().status == OrderStatus::Ready {
        let key = KeyPair::from_pem(key_pem)?;
        order.finalize_csr(&request(wish.name, &key)?).await?;
    }
    let chain = order.poll_certificate(&patience()).await?;
    let pem = format!("{}\n{}", chain.trim_end(), key_pem);
    let certificate = folder::certificate(pem.as_bytes());
    let certificate =
        certificate.ok_or_else(|| Trouble::Confused("no certificate for our key".to_owned()))?;
    if !certificate.covers(wish.name) {
        return Err(Trouble::OtherName);
    }
    Ok(Issued { certificate, pem })
}

/// Shows the authority that the name is ours.
async fn prove(order: &mut Order, wish: &Wish<'_>, challenges: &Challenges) -> Result<(), Trouble> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        answer(authorization?, wish, challenges).await?;
    }
    let polled = order.poll_ready(&patience()).await;
    match polled {
        Ok(OrderStatus::Invalid) => {}
        Ok(_) => return Ok(()),
        Err(error) => {
            let trouble = Trouble::from(error);
            if !matches!(trouble, Trouble::Refused(_)) {
                return Err(trouble);
            }
        }
    }
    Err(reason(order).await)
}

/// Puts up the answer, and tells the authority to look.
async fn answer(
    mut authorization: AuthorizationHandle<'_>,
    wish: &Wish<'_>,
    challenges: &Challenges,
) -> Result<(), Trouble> {
    // One that is good needs no answer; with one that is bad the order is, too, and says why.
    if authorization.status != AuthorizationStatus::Pending {
        return Ok(());
    }
    let offered = |kind: &&ChallengeKind| {
        let kind = kind.as_acme();
        authorization
            .challenges
            .iter()
            .any(|challenge| challenge.r#type == kind)
    };
    let kind = wish
        .challenges
        .iter()
        .find(offered)
        .ok_or(Trouble::NoChallenge)?;
    let mut challenge = authorization
        .challenge(kind.as_acme())
        .ok_or(Trouble::NoChallenge)?;
    let key_authorization = challenge.key_authorization();
    let digest = key_authorization.digest();
    let answer = Answer {
        token: challenge.token.clone(),
        key_authorization: key_authorization.as_str().to_owned(),
        digest: digest.as_ref().try_into().unwrap_or_default(),
    };
    challenges.set(wish.name, &answer)?;
    challenge.set_ready().await?;
    Ok(())
}

/// Why the authority takes the name for somebody else's.
async fn reason(order: &mut Order) -> Trouble {
    let of_order = order.state().error.clone();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        for challenge in &authorization.challenges {
            if let Some(problem) = &challenge.error {
                return Trouble::Refused(Refusal::of(problem, Some(&challenge.r#type)));
            }
        }
    }
    of_order.map_or_else(
        || Trouble::Confused("the order is invalid, and no reason is given".to_owned()),
        |problem| Trouble::Refused(Refusal::of(&problem, None)),
    )
}

fn patience() -> RetryPolicy {
    RetryPolicy::new()
        .backoff(1.5)
        .timeout(PATIENCE.unsigned_abs())
}

fn identifier(name: &CertificateName) -> Identifier {
    match name {
        CertificateName::Ip(address) => Identifier::Ip(*address),
        CertificateName::Dns(_) | CertificateName::Wildcard(_) => Identifier::Dns(name.to_string()),
    }
}

async fn key_pair(kind: KeyKind) -> Result<KeyPair, Trouble> {
    match kind {
        KeyKind::Ecdsa => Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?),
        KeyKind::Rsa => {
            let make = || KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
            let made = tokio::task::spawn_blocking(make).await;
            Ok(made.map_err(std::io::Error::other)??)
        }
    }
}

fn request(name: &CertificateName, key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![name.alternative_name()?];
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

impl ChallengeKind {
    fn as_acme(self) -> ChallengeType {
        match self {
            Self::Http01 => ChallengeType::Http01,
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
        }
    }
}
