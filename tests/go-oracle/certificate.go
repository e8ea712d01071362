package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// certificate describes one that a server shows, and what a client is given to trust.
type certificate struct {
	// "itself" or "authority"
	SignedBy string `json:"signed_by"`
	// Whether it says that it is an authority.
	IsCA bool `json:"is_ca"`
	// "", "server", "client" or "both"
	Usage string   `json:"usage"`
	Names []string `json:"names"`
	// "valid", "expired" or "future"
	Dates string `json:"dates"`
	// "itself", "authority", "stranger" or "both"
	Anchor string `json:"anchor"`
	// The name that the client asks for.
	Name string `json:"name"`
}

// judge makes the certificate, and says whether Go's client would trust a server that shows it.
func (c certificate) judge() (answer, error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	authority := template("an authority")
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return nil, err
	}
	stranger := template("a stranger")
	stranger.IsCA, stranger.BasicConstraintsValid = true, true
	strangerDER, err := x509.CreateCertificate(rand.Reader, stranger, stranger, key.Public(), key)
	if err != nil {
		return nil, err
	}
	shown := c.template()
	issuer, issuerKey := shown, key
	if c.SignedBy == "authority" {
		issuer, issuerKey = authority, authorityKey
	}
	shownDER, err := x509.CreateCertificate(rand.Reader, shown, issuer, key.Public(), issuerKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var anchors []byte
	switch c.Anchor {
	case "itself":
		anchors = block("CERTIFICATE", shownDER)
	case "authority":
		anchors = block("CERTIFICATE", authorityDER)
	case "both":
		anchors = append(block("CERTIFICATE", authorityDER), block("CERTIFICATE", shownDER)...)
	default:
		anchors = block("CERTIFICATE", strangerDER)
	}
	chain, keyPEM := block("CERTIFICATE", shownDER), block("PRIVATE KEY", keyDER)
	why := verify(shownDER, anchors, c.Name)
	told := answer{"anchors": string(anchors), "chain": string(chain), "key": string(keyPEM), "trusted": why == nil}
	if why != nil {
		told["why"] = why.Error()
	}
	return told, nil
}

func (c certificate) template() *x509.Certificate {
	shown := template("a server")
	shown.BasicConstraintsValid, shown.IsCA = true, c.IsCA
	switch c.Usage {
	case "server":
		shown.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case "client":
		shown.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case "both":
		shown.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	}
	for _, name := range c.Names {
		if ip := net.ParseIP(name); ip != nil {
			shown.IPAddresses = append(shown.IPAddresses, ip)
		} else {
			shown.DNSNames = append(shown.DNSNames, name)
		}
	}
	switch c.Dates {
	case "expired":
		shown.NotAfter = time.Now().Add(-time.Hour)
	case "future":
		shown.NotBefore = time.Now().Add(time.Hour)
	}
	return shown
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-24 * time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// verify judges the certificate as Go's client does in a handshake (crypto/tls, verifyServerCertificate).
func verify(shown, anchors []byte, name string) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(anchors)
	parsed, err := x509.ParseCertificate(shown)
	if err != nil {
		return err
	}
	_, err = parsed.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()})
	return err
}
