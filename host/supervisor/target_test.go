package supervisor

import (
	"context"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestAServiceThatIsDownIsSaidOnce however many connect, and in the words that have a cause.
func TestAServiceThatIsDownIsSaidOnce(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		refused := Failure{Reason: tunnel.TargetRefused, Message: "refused"}
		known := refused
		known.Message, known.Diagnosis = "nothing listens", &tunnel.Diagnosis{Cause: tunnel.TargetClosed}
		s.source.want(active(office, 1, http))
		s.pass(15 * time.Second)
		s.engine.link(0).script(func() {
			s.engine.link(0).target = func(context.Context, string) error { return &fakeError{known} }
		})
		miss := s.engine.plans[0].Missed
		wants := func(message string, why tunnel.Cause) {
			t.Helper()
			m := s.expectMapping("http", tunnel.Down, tunnel.TargetRefused)
			if m.Message != message || m.Diagnosis.Code() != why {
				t.Errorf("said is %q (%s), want %q (%s)", m.Message, m.Diagnosis.Code(), message, why)
			}
		}
		miss(http, refused)
		s.pass(0)
		wants("refused", "")
		if m := s.source.now(office).Mapping("http"); !m.Target.At.Equal(time.Now()) || !m.TargetProvedAt.Before(m.Target.At) {
			t.Errorf("seen down at %s and up at %s", m.Target.At, m.TargetProvedAt)
		}
		miss(http, known)
		s.pass(0)
		wants("nothing listens", tunnel.TargetClosed)
		before := len(s.source.history(office))
		for range 100 {
			miss(http, refused)
			miss(http, known)
			s.pass(time.Millisecond)
		}
		wants("nothing listens", tunnel.TargetClosed)
		if n := len(s.source.history(office)) - before; n != 0 {
			t.Errorf("reported %d times", n)
		}
		s.pass(30 * time.Second)
		wants("nothing listens", tunnel.TargetClosed)
		miss(http, Failure{Reason: tunnel.TargetUnreachable, Message: "no answer"})
		s.pass(0)
		s.expectMapping("http", tunnel.Down, tunnel.TargetUnreachable)
	})
}
