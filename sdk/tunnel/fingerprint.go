package tunnel

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

const (
	sha256Prefix = "SHA256:"
	md5Prefix    = "MD5:"
)

// ParseFingerprint reads the fingerprint of a server's host key given beforehand (R15, R18): SHA256:... as OpenSSH
// prints it, or the older MD5 form of 16 hexadecimal bytes, with or without MD5: and colons. The result is always
// "SHA256:..." without padding or "MD5:aa:bb:...". Findings have no field.
func ParseFingerprint(s string) (string, Findings) {
	const wayOut = "give SHA256:... as ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub prints it on the server"
	if s == "" {
		return "", one(Required, "", s, "a fingerprint is missing", wayOut)
	}
	if b64, ok := cutPrefixFold(s, sha256Prefix); ok {
		sum, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimSuffix(b64, "="))
		if err != nil || len(sum) != 32 || strings.ContainsAny(b64, "\r\n") {
			return "", one(Malformed, "", s, quoted(s)+" is not a whole SHA-256 fingerprint", wayOut)
		}
		return sha256Prefix + base64.RawStdEncoding.EncodeToString(sum), nil
	}
	text, _ := cutPrefixFold(s, md5Prefix)
	sum, ok := md5Bytes(text)
	if !ok {
		return "", one(Malformed, "", s, quoted(s)+" is not a fingerprint", wayOut)
	}
	return md5Prefix + colons(sum), nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// md5Bytes reads 16 bytes of hexadecimal digits, with a colon after each byte or none at all.
func md5Bytes(s string) ([]byte, bool) {
	if len(s) == 16*3-1 {
		for i := 2; i < len(s); i += 3 {
			if s[i] != ':' {
				return nil, false
			}
		}
		s = strings.ReplaceAll(s, ":", "")
	}
	sum, err := hex.DecodeString(s)
	return sum, err == nil && len(sum) == 16
}

func colons(sum []byte) string {
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(parts, ":")
}
