package verify

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

const maxCached = 1000

// cache remembers right passwords for a while, as a hash by a key that ends with the process.
type cache struct {
	keep time.Duration
	key  []byte

	mu    sync.Mutex
	users map[string]cached
}

type cached struct {
	hash  []byte
	id    Identity
	until time.Time
}

func newCache(keep time.Duration) *cache {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return &cache{keep: keep, key: key, users: map[string]cached{}}
}

func (c *cache) hash(user, password string) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte(user + "\x00" + password))
	return h.Sum(nil)
}

// find is whose password that was not long ago.
func (c *cache) find(user, password string) (id Identity, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, there := c.users[user]
	ok = there && time.Now().Before(e.until) && hmac.Equal(e.hash, c.hash(user, password))
	return e.id, ok
}

func (c *cache) put(user, password string, id Identity) {
	if c.keep <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.users) >= maxCached {
		clear(c.users)
	}
	c.users[user] = cached{c.hash(user, password), id, time.Now().Add(c.keep)}
}
