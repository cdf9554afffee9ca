package sshtunnel

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
)

// A nonce is one line that only its maker knows: "culvert-proof ", 32 hex digits, CR LF. Its answer is the same line
// with "culvert-answer ". Lines, so that a stranger's text protocol that gets one says no and nothing worse.
const (
	nonceHead  = "culvert-proof "
	answerHead = "culvert-answer "
	nonceLen   = len(nonceHead) + 32 + 2
)

func newNonce() []byte {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return []byte(nonceHead + hex.EncodeToString(b[:]) + "\r\n")
}

// answerTo is what the maker of nonce waits for.
func answerTo(nonce []byte) []byte {
	return append([]byte(answerHead), nonce[len(nonceHead):]...)
}

// mayBecome reports whether b is nonce or a beginning of it.
func mayBecome(b, nonce []byte) bool { return len(b) > 0 && bytes.HasPrefix(nonce, b) }
