package boltstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/culvert-pbx/culvert/store"
)

// On disk a record is the sum of its key and value, followed by the value.

// seal returns the bytes to keep under key.
func seal(key string, value []byte) []byte {
	sum := sumOf(key, value)
	return append(sum[:], value...)
}

// unseal returns a copy of the value in what was kept under key, or a
// *store.DamagedError where either has changed.
func unseal(key string, kept []byte) ([]byte, error) {
	if len(kept) < sha256.Size || len(kept) > sha256.Size+store.MaxRecord {
		return nil, &store.DamagedError{Key: key, Reason: "its length cannot be"}
	}
	value := kept[sha256.Size:]
	if sum := sumOf(key, value); !bytes.Equal(sum[:], kept[:sha256.Size]) {
		return nil, &store.DamagedError{Key: key, Reason: "its checksum does not match"}
	}
	return append([]byte{}, value...), nil
}

// sumOf hashes key and value; the length before them keeps a byte that moves from
// one to the other from going unnoticed.
func sumOf(key string, value []byte) [sha256.Size]byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)+len(value)), uint64(len(key)))
	return sha256.Sum256(append(append(b, key...), value...))
}
