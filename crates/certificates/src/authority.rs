//! The authority of a directory: made once, kept after that.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::{
    Result,
    files::{self, Readers},
};

/// For how long the authority is valid, days. What it signs may not outlive it, but nobody tries a set out for so long.
const DAYS_OF_AUTHORITY: i64 = 3650;

/// How far another machine's clock may be behind without taking a new certificate for one of the future.
const EARLIER: Duration = Duration::hours(1);

/// The addresses and the name that every certificate holds for besides its own.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Signs certificates into its directory.
pub(crate) struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The authority in `directory`, made where there is none.
    pub(crate) fn at(directory: &Path) -> Result<Self> {
        let (certificate, key) = (directory.join("ca.crt"), directory.join("authority/ca.key"));
        let issuer = match (read(&certificate)?, read(&key)?) {
            (Some(signed), Some(secret)) => kept(&signed, &secret)
                .map_err(|error| format!("{} with {}: {error}", certificate.display(), key.display()))?,
            (None, None) => made(directory, &certificate, &key)?,
            // To make a new one would leave whoever trusts the old one without any.
            (Some(_), None) => return Err(missing(&key, &certificate)),
            (None, Some(_)) => return Err(missing(&certificate, &key)),
        };
        Ok(Self { directory: directory.to_owned(), issuer })
    }

    /// Writes a new key and a certificate for it: `name.key` and `name.crt`.
    pub(crate) fn issue(&self, name: &str, days: u16) -> Result<()> {
        let mut names = vec![name.to_owned()];
        names.extend(LOCAL.map(str::to_owned).into_iter().filter(|local| local != name));
        let mut asked = CertificateParams::new(names)?;
        asked.distinguished_name = named(name);
        (asked.not_before, asked.not_after) = from_now(i64::from(days));
        asked.use_authority_key_identifier_extension = true;
        asked.is_ca = IsCa::ExplicitNoCa;
        asked.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        asked.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let signed = asked.signed_by(&key, &self.issuer)?;
        let at = |ending: &str| self.directory.join(format!("{name}.{ending}"));
        // Two files cannot be changed at once: whoever reads between the two finds a pair that does not fit, and tries again.
        files::replace(&at("key"), &key.serialize_pem(), Readers::Owner)?;
        files::replace(&at("crt"), &signed.pem(), Readers::All)
    }
}

fn made(directory: &Path, certificate: &Path, key: &Path) -> Result<Issuer<'static, KeyPair>> {
    let mut asked = CertificateParams::default();
    asked.distinguished_name = named("Evenkeel trial authority");
    (asked.not_before, asked.not_after) = from_now(DAYS_OF_AUTHORITY);
    asked.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    asked.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(asked, KeyPair::generate()?)?;
    files::directory(directory, Readers::All)?;
    files::directory(&directory.join("authority"), Readers::Owner)?;
    files::replace(key, &authority.key().serialize_pem(), Readers::Owner)?;
    files::replace(certificate, &authority.pem(), Readers::All)?;
    kept(&authority.pem(), &authority.key().serialize_pem())
}

fn kept(certificate: &str, key: &str) -> Result<Issuer<'static, KeyPair>> {
    Ok(Issuer::from_ca_cert_pem(certificate, KeyPair::from_pem(key)?)?)
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    // A common name has at most 64 characters (RFC 5280, A.1); nobody reads it where there are alternative names.
    named.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    named
}

fn from_now(days: i64) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now - EARLIER, now + Duration::days(days))
}

fn missing(absent: &Path, present: &Path) -> Box<dyn std::error::Error + Send + Sync> {
    let (absent, present) = (absent.display(), present.display());
    format!("{present} is there and {absent} is not; bring it back, or remove {present} to begin with a new authority")
        .into()
}

/// `None` where there is no such file.
fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display()).into()),
    }
}
