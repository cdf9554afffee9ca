package supervisor

import (
	"context"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// lossy is how long answers are waited for on the path of these tests.
const lossy = 14 * time.Second

// after answers so late.
func after(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// On a path that has to repeat much an answer that is late is no alarm.
func TestALateAnswerOnASlowPathIsNoAlarm(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.shaped(func(l *fakeLink) { l.path = lossy })
		s.source.want(active(office, 1, ldap, http))
		s.pass(time.Minute)
		l, told := s.engine.link(0), len(s.source.history(office))
		l.script(func() {
			l.proof = func(ctx context.Context, _ string) error { return after(13 * time.Second)(ctx) }
			l.keepalive = after(13 * time.Second)
		})
		s.pass(5 * time.Minute)
		s.expect(office, tunnel.Up, "")
		for _, r := range s.source.history(office)[told:] {
			if r.State != tunnel.Up {
				t.Errorf("told %s (%s): %s", r.State, r.Reason, r.Message)
			}
		}
	})
}

// And yet up is never wrong for longer than 20 s, whenever it begins to be.
func TestUpIsWrongForTwentySecondsAtMostOnASlowPath(t *testing.T) {
	for name, path := range map[string]time.Duration{"usual": 0, "slow": lossy} {
		t.Run(name, func(t *testing.T) {
			for i := range 20 {
				play(t, func(t *testing.T, s *stage) {
					s.shaped(func(l *fakeLink) { l.path = path })
					s.source.want(active(office, 1, ldap, http))
					s.pass(time.Minute + time.Duration(i)*500*time.Millisecond + time.Millisecond)
					l := s.engine.link(0)
					l.script(func() { l.proof = func(ctx context.Context, _ string) error { return silence(ctx) } })
					s.pass(20 * time.Second)
					s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
				})
			}
		})
	}
}
