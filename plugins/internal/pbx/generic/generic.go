// Package generic is a telephone system of which nothing is known but that it reads files: the users and groups in the
// formats of package export, each replaced whole.
package generic

import (
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
)

// Open makes files of these formats; without any, of CSV and JSON. The errors are those of files.Open.
func Open(c files.Config, formats ...export.Format) (pbx.Adapter, error) {
	if len(formats) == 0 {
		formats = []export.Format{export.CSV, export.JSON}
	}
	return files.Open(c, files.System{
		Capabilities: capabilities(),
		Render:       func(s pbx.State) ([]files.File, []pbx.Refusal) { return export.Render(s, formats...) },
	})
}

func capabilities() (cs pbx.Capabilities) {
	for _, c := range []pbx.Capability{pbx.Users, pbx.Extensions, pbx.Numbers, pbx.FaxNumbers, pbx.Groups, pbx.Admins} {
		cs = append(cs, pbx.Support{Capability: c, Supported: true})
	}
	return append(cs,
		pbx.Support{Capability: pbx.CallerNames, Why: "what the reader of the files does with a name is not known here"},
		pbx.Support{Capability: pbx.Reload, Why: "files are all there is: their reader has to notice them"})
}
