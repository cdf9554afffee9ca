package generic_test

import (
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/generic"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/pbxtest"
)

// inDirectory opens the adapter on the same directory each time.
type inDirectory string

func (d inDirectory) Open(t *testing.T) pbx.Adapter {
	a, err := generic.Open(files.Config{Record: string(d) + "/own", Dir: string(d) + "/pbx"}, export.Formats()...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestFilesKeepTheContract(t *testing.T) {
	pbxtest.Run(t, func(t *testing.T) pbxtest.Fixture { return inDirectory(t.TempDir()) })
}
