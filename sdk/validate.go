package sdk

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Validator is a settings struct that judges itself by what tags cannot say, such as two fields that go together:
//
//	func (s settings) Validate() (wrong sdk.Findings) {
//		if s.Security != "none" && s.Host == "" {
//			wrong = append(wrong, sdk.Wrong("host", "an encrypted connection needs the name in the certificate", "set host"))
//		}
//		return wrong
//	}
//
// The host asks before it stores settings that fit their tags, so that `culvert config set` refuses them with the field
// named, and Run is not called with others. Where the module cannot be asked, because it does not start, settings are stored
// with a warning: an operator must be able to mend them.
type Validator interface {
	// Validate says all that is wrong, none where nothing is. It looks at nothing but the settings, and returns at once.
	// Passwords of sites are not in them.
	Validate() Findings
}

// Wrong is one thing wrong with settings: the field, as it is set ("directory.host", "phones[2].number"), what is wrong with
// it, and what to do. Do not put secrets into it.
func Wrong(field, message, wayOut string) Finding {
	return tunnel.Finding{Code: tunnel.Malformed, Field: field, Message: message, WayOut: wayOut}
}

// validator reports whether S judges itself. A method that looks like it and is another is the author's mistake.
func validator[S any]() (has bool, err error) {
	t := reflect.TypeFor[*S]()
	if t.Implements(reflect.TypeFor[Validator]()) {
		return true, nil
	}
	if m, ok := t.MethodByName("Validate"); ok {
		return false, fmt.Errorf("the settings' method Validate is %v, not that of sdk.Validator", m.Type)
	}
	return false, nil
}

// Validate judges settings that need not be stored.
func (p plugin[S]) Validate(doc json.RawMessage) (fs tunnel.Findings, err error) {
	defer caught(newLog(os.Stderr), "Validate", &err)
	if has, err := validator[S](); !has {
		return nil, firstError(err, wire.ErrNoValidator)
	}
	var s S
	if len(doc) > 0 {
		if err := json.Unmarshal(doc, &s); err != nil {
			return nil, fmt.Errorf("read the settings: %w", err)
		}
	}
	placeSites(reflect.ValueOf(&s).Elem(), "")
	return wrong(&s), nil
}

// wrong is what settings say is wrong with themselves.
func wrong[S any](s *S) Findings {
	if v, ok := any(s).(Validator); ok {
		return v.Validate()
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
