//! Whom the client trusts and who it is, over TLS.

use evenkeel_service::{Reading, Reported};
use evenkeel_wire::{TlsClient, Untrusted};

use crate::target::Target;

/// That of `TLS_CA`, `TLS_CERTIFICATE`, `TLS_KEY` and `TLS_RESUME`; `None` where no target speaks TLS.
pub(super) fn read(
    reading: &mut Reading<'_>,
    targets: &Result<Vec<Target>, Reported>,
) -> Result<Option<TlsClient>, Reported> {
    let authorities = reading.file("TLS_CA");
    let chain = reading.file("TLS_CERTIFICATE");
    let key = reading.file("TLS_KEY");
    let resumes = reading.choice("TLS_RESUME", &[("on", true), ("off", false)]);
    let (authorities, chain, key, resumes) = (authorities?, chain?, key?, resumes?);
    // What is wrong with the targets has been told.
    let Ok(targets) = targets else { return Ok(None) };
    if !targets.iter().any(Target::is_secure) {
        let idle: Vec<_> = ["TLS_CA", "TLS_CERTIFICATE", "TLS_KEY", "TLS_RESUME"]
            .into_iter()
            .filter(|name| reading.is_set(name))
            .collect();
        let told = idle.into_iter().map(|name| {
            reading.problem(name, "is set, but no target of CLIENT_TARGET is written as https://…")
        });
        return told.last().map_or(Ok(None), Err);
    }
    let Some(authorities) = authorities else {
        return Err(reading.problem(
            "TLS_CA",
            "is not set, but CLIENT_TARGET is https://…; name the file (PEM) with the certificate of the authority that signed \
             the target's, since none is built in",
        ));
    };
    let pair = match (&chain, &key) {
        (Some(chain), Some(key)) => Some((&chain[..], &key[..])),
        (None, None) => None,
        (Some(_), None) => return Err(reading.problem("TLS_KEY", "is required with CLIENT_TLS_CERTIFICATE")),
        (None, Some(_)) => return Err(reading.problem("TLS_CERTIFICATE", "is required with CLIENT_TLS_KEY")),
    };
    match TlsClient::new(&authorities, pair, resumes) {
        Ok(client) => Ok(Some(client)),
        Err(Untrusted::Authorities(why)) => {
            Err(reading.problem("TLS_CA", format!("{why}; write it as PEM, with lines of BEGIN CERTIFICATE")))
        }
        Err(Untrusted::Pair(why)) => {
            Err(reading.problem("TLS_CERTIFICATE", format!("cannot be used with CLIENT_TLS_KEY: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::of;

    #[test]
    fn a_target_over_tls_needs_an_authority_and_says_so() {
        let error = of(&[("CLIENT_TARGET", "https://balancer:8443")]).unwrap_err();
        assert!(error.starts_with("CLIENT_TLS_CA: is not set, but CLIENT_TARGET is https://"), "{error}");
        let nowhere =
            of(&[("CLIENT_TARGET", "https://balancer"), ("CLIENT_TLS_CA", "/nowhere")]).unwrap_err();
        assert!(nowhere.starts_with("CLIENT_TLS_CA: /nowhere does not exist"), "{nowhere}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no PEM").unwrap();
        let path = file.path().to_str().unwrap();
        let no_pem = of(&[("CLIENT_TARGET", "https://balancer"), ("CLIENT_TLS_CA", path)]).unwrap_err();
        assert!(no_pem.starts_with("CLIENT_TLS_CA: there is no certificate in it"), "{no_pem}");
        let half = of(&[("CLIENT_TARGET", "https://a"), ("CLIENT_TLS_CA", path), ("CLIENT_TLS_KEY", path)])
            .unwrap_err();
        assert!(half.starts_with("CLIENT_TLS_CERTIFICATE: is required with CLIENT_TLS_KEY"), "{half}");
    }

    #[test]
    fn what_is_set_for_tls_without_a_target_over_tls_is_told() {
        let error = of(&[("CLIENT_TARGET", "http://balancer"), ("CLIENT_TLS_RESUME", "off")]).unwrap_err();
        assert!(error.starts_with("CLIENT_TLS_RESUME: is set, but no target"), "{error}");
        assert!(of(&[("CLIENT_TARGET", "http://balancer")]).unwrap().tls.is_none());
    }
}
