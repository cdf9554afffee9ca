package pbxtest_test

import (
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx/pbxtest"
)

func TestHostileStateIsOneThatAdaptersTake(t *testing.T) {
	s, refused := pbxtest.HostileState()
	if fs := s.Check(); len(fs) > 0 {
		t.Errorf("%v", fs[0])
	}
	if len(s.Users) < 400 || refused < 1000 || len(s.Groups) < 200 {
		t.Errorf("%d users, %d groups, %d fields refused", len(s.Users), len(s.Groups), refused)
	}
}
