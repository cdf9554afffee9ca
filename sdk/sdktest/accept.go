package sdktest

import (
	"encoding/json"
	"errors"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// accept stores settings as the real host does: by the schema, and by what the module says of them itself.
func (w *World) accept(ref tunnel.ConfigurationRef, doc string) error {
	if v, ok := w.module.(wire.Validator); ok && w.said.Can(tunnel.CapabilityValidator) && len(settings.Check(w.said.Schema, json.RawMessage(doc))) == 0 {
		fs, err := v.Validate(given(w.said.Schema, settings.WithDefaults(w.said.Schema, json.RawMessage(doc))))
		if err := errors.Join(fs.Err(), err); err != nil {
			return err
		}
	}
	return w.Configure(ref, json.RawMessage(doc))
}
