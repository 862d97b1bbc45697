package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// An authority, and what it signed for members and clients.
type certificates struct {
	dir     string
	roots   *x509.CertPool
	clients map[string]tls.Certificate
}

// New ones; members find theirs below `dir`.
func newCertificates(dir string) (*certificates, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	c := &certificates{dir, x509.NewCertPool(), map[string]tls.Certificate{}}
	authorityPem := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.roots.AppendCertsFromPEM(authorityPem)
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), authorityPem, 0o600); err != nil {
		return nil, err
	}
	for serial, name := range []string{"member", "root", "writer", "nobody"} {
		certificate, private, err := sign(authority, key, int64(serial)+2, name)
		if err != nil {
			return nil, err
		}
		if c.clients[name], err = tls.X509KeyPair(certificate, private); err != nil {
			return nil, err
		}
		if name != "member" {
			continue
		}
		for file, text := range map[string][]byte{"member.pem": certificate, "member.key": private} {
			if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func sign(authority *x509.Certificate, by *ecdsa.PrivateKey, serial int64, name string) (certificate, private []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, by)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}

// How a client of that name speaks TLS.
func (c *certificates) of(name string) *tls.Config {
	return &tls.Config{RootCAs: c.roots, Certificates: []tls.Certificate{c.clients[name]}}
}

// A client that shows nothing.
func (c *certificates) ofNobody() *tls.Config {
	return &tls.Config{RootCAs: c.roots}
}

// What makes a member speak TLS, by etcd's names of the flags.
func (c *certificates) flags() []string {
	file := func(name string) string { return filepath.Join(c.dir, name) }
	return []string{
		"--cert-file=" + file("member.pem"), "--key-file=" + file("member.key"), "--trusted-ca-file=" + file("ca.pem"),
		"--client-cert-auth", "--peer-cert-file=" + file("member.pem"), "--peer-key-file=" + file("member.key"),
		"--peer-trusted-ca-file=" + file("ca.pem"), "--peer-client-cert-auth",
	}
}
