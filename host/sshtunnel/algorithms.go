package sshtunnel

import "golang.org/x/crypto/ssh"

// Only what is named here is ever agreed to. No SHA-1 anywhere; no ChaCha20-Poly1305, because whether the server does
// strict key exchange, which that cipher needs, cannot be seen through x/crypto/ssh.
var (
	keyExchanges = []string{
		ssh.KeyExchangeMLKEM768X25519,
		ssh.KeyExchangeCurve25519, // brings its older name curve25519-sha256@libssh.org with it
		ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521,
		ssh.KeyExchangeDH16SHA512, ssh.KeyExchangeDH14SHA256,
	}
	ciphers = []string{
		ssh.CipherAES128GCM, ssh.CipherAES256GCM,
		ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR,
	}
	macs     = []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512}
	hostKeys = []string{
		ssh.KeyAlgoED25519,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
)

// minRSABits is the smallest RSA key taken, of a server or for a login.
const minRSABits = 2048

// hostKeyAlgorithms are the algorithms to offer when the server must show a key of keyType ("" is any). A server has
// one key per type and picks among them by what is offered, so a pin of one type must offer that type alone.
func hostKeyAlgorithms(keyType string) []string {
	switch keyType {
	case "":
		return hostKeys
	case ssh.KeyAlgoRSA, "rsa":
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}
