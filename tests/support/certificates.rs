//! The certificates of one control plane: an authority of its own, and what it signs for servers and clients. In memory and in files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

/// An authority, writing into one folder.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// The files of one signed certificate.
#[derive(Clone)]
pub struct Pair {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority; its certificate is `ca.crt` in the folder.
    pub fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "argocd-access test bench");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("make a key")).expect("sign an authority");
        let authority = Self { issuer, folder: folder.to_owned() };
        authority.write("ca.crt", &authority.issuer.pem());
        authority
    }

    /// The authority's certificate file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The authority's certificate, DER.
    pub fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// A server's certificate for this machine and the given further names.
    pub fn server(&self, name: &str, names: &[&str]) -> Pair {
        let names: Vec<String> = ["localhost", "127.0.0.1"].iter().chain(names).map(ToString::to_string).collect();
        let params = CertificateParams::new(names).expect("names of a server");
        self.sign(name, params, name, None, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate: Kubernetes reads the user from the common name and the group from the organization.
    pub fn client(&self, name: &str, user: &str, group: &str) -> Pair {
        let params = CertificateParams::new(Vec::new()).expect("no names");
        self.sign(name, params, user, Some(group), ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A key pair without a certificate, as ServiceAccount tokens are signed with: the files of the public and the private key.
    pub fn signing_key(&self, name: &str) -> Pair {
        let key = KeyPair::generate().expect("make a key");
        Pair { certificate: self.write(&format!("{name}.pub"), &key.public_key_pem()), key: self.write(&format!("{name}.key"), &key.serialize_pem()) }
    }

    fn sign(&self, file: &str, mut params: CertificateParams, user: &str, group: Option<&str>, usage: ExtendedKeyUsagePurpose) -> Pair {
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("make a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("sign a certificate");
        Pair { certificate: self.write(&format!("{file}.crt"), &certificate.pem()), key: self.write(&format!("{file}.key"), &key.serialize_pem()) }
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.folder.join(file);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        path
    }
}
