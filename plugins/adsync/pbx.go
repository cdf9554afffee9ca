package main

import (
	"path/filepath"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/generic"
	"github.com/culvert-pbx/culvert/sdk"
)

// published is where other programs of the machine find files, each configuration in a directory of its own. The grant
// lets the module write there.
const (
	published              = "/srv/culvert/adsync"
	publishGrant sdk.Grant = "write " + published
	ownFiles               = "pbx" // in the module's directory
	ownRecord              = "record"
)

// pbxSettings say what the PBX is.
type pbxSettings struct {
	Publish bool            `json:"publish" title:"Write the files to /srv/culvert/adsync" help:"where the PBX can read them; needs the grant. Else they are in the module's own directory"`
	Formats []export.Format `json:"formats" title:"Formats of the files" enum:"csv,json,phonebook,xml,ldif,freepbx" default:"[\"csv\",\"json\"]" maxitems:"6"`
}

// openPBX opens the users of the PBX, for one configuration whose directory is dir. It is to be closed.
func openPBX(s settings, configuration, dir string) (pbx.Adapter, error) {
	out := filepath.Join(dir, ownFiles)
	if s.PBX.Publish {
		out = filepath.Join(published, configuration)
	}
	return generic.Open(files.Config{Record: filepath.Join(dir, ownRecord), Dir: out}, s.PBX.Formats...)
}
