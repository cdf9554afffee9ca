package sdk_test

import (
	"context"
	"fmt"

	"github.com/culvert-pbx/culvert/sdk"
)

// fax has settings that go together.
type fax struct{}

type faxSettings struct {
	Format string `json:"format" title:"Format" enum:"pdf,tiff" default:"pdf"`
	Colour bool   `json:"colour" title:"In colour"`
}

// Validate says what no tag can: the host asks before it stores them.
func (s faxSettings) Validate() (wrong sdk.Findings) {
	if s.Colour && s.Format == "tiff" {
		wrong = append(wrong, sdk.Wrong("colour", "a fax in TIFF is black and white", "choose format=pdf"))
	}
	return wrong
}

func (fax) Describe() sdk.Description { return sdk.Description{Name: "fax", Version: "1.0.0"} }

func (fax) Run(_ context.Context, in *sdk.Instance[faxSettings]) error {
	in.Log.Info("keeps faxes", "format", in.Settings.Format)
	return nil
}

// Settings whose fields go together judge themselves, and the wrong ones are refused with the field named.
func ExampleValidator() {
	w, end := run(fax{}, `{"colour":true}`)
	defer end()
	showLog(w, "keeps")
	fmt.Println(w.Reconfigure(`{"colour":true,"format":"tiff"}`))
	// Output:
	// [INFO]  keeps faxes: format=pdf
	// colour: a fax in TIFF is black and white; choose format=pdf
}
