package sshtunnel

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// unanswering is a channel whose end nobody answers.
type unanswering struct{ ssh.Channel }

func (unanswering) Close() error { return nil }

// TestPlaceOfAnUnansweredEndIsGivenBack after 10 minutes, once, unless very many are.
func TestPlaceOfAnUnansweredEndIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Link{sock: &socket{}, config: new(Config).withDefaults()}
		var given atomic.Int64
		end := make(chan *ssh.Request)
		for range maxOverdue + 1 {
			ch := l.newChannel(unanswering{}, end, func() { given.Add(1) })
			_ = ch.Close()
			_ = ch.Close()
			synctest.Wait()
		}
		time.Sleep(10*time.Minute - 1)
		synctest.Wait()
		if given := given.Load(); given != 0 {
			t.Errorf("%d places were given back early", given)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if given := given.Load(); given != maxOverdue {
			t.Errorf("%d places were given back, want %d", given, maxOverdue)
		}
		close(end) // as when the link ends
		l.work.Wait()
		if given := given.Load(); given != maxOverdue+1 || l.overdue.Load() != 0 {
			t.Errorf("%d places were given back in all, %d are overdue", given, l.overdue.Load())
		}
	})
}
