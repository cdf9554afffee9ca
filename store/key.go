package store

import "fmt"

// CheckKey reports as ErrKey what cannot be a key. A key is 1 to MaxKey bytes of
// printable ASCII, spaces included.
func CheckKey(key string) error {
	if key == "" {
		return fmt.Errorf("%w: it is empty", ErrKey)
	}
	if len(key) > MaxKey {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrKey, len(key), MaxKey)
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return fmt.Errorf("%w: %q holds a byte that is not printable ASCII", ErrKey, key)
		}
	}
	return nil
}
