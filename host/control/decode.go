package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// decode reads the request's body into v: one JSON document of at most 1 MiB, every field known and of its type.
// The error names the field.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		if !tooBig(err) {
			return badBody("body", "", "something follows the JSON document", "send one document alone")
		}
	}
	return bodyError(err)
}

// bodyError says which field of a body is wrong, and how.
func bodyError(err error) error {
	var typ *json.UnmarshalTypeError
	var syn *json.SyntaxError
	switch {
	case tooBig(err):
		return tunnel.Findings{{Code: tunnel.TooLong, Field: "body", Message: "the request is larger than 1 MiB", WayOut: "send less"}}
	case errors.As(err, &typ):
		field := typ.Field
		if field == "" {
			field = "body"
		}
		return badBody(field, typ.Value, fmt.Sprintf("%s cannot be a JSON %s", field, tunnel.Clean(typ.Value, 80)), "give "+expected(typ.Type.Kind().String()))
	case errors.As(err, &syn):
		return badBody("body", "", fmt.Sprintf("no JSON at byte %d: %s", syn.Offset, text(syn)), "send one JSON object")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badBody("body", "", "the JSON document is missing or ends too early", "send one JSON object")
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = tunnel.Clean(strings.Trim(name, `"`), 80)
		return tunnel.Findings{{Code: tunnel.UnknownKey, Field: name, Value: name, Message: fmt.Sprintf("there is no field %q here", name), WayOut: "leave it out, or look for a misspelling"}}
	}
	return badBody("body", "", text(err), "send one JSON object")
}

func badBody(field, value, message, wayOut string) error {
	return tunnel.Findings{{Code: tunnel.Malformed, Field: field, Value: tunnel.Clean(value, 80), Message: message, WayOut: wayOut}}
}

func tooBig(err error) bool {
	var tooBig *http.MaxBytesError
	return errors.As(err, &tooBig)
}

// expected names a Go kind in the words of JSON.
func expected(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "a whole number in range"
	case kind == "slice":
		return "an array"
	case kind == "struct", kind == "map":
		return "an object"
	case kind == "bool":
		return "true or false"
	default:
		return "a " + kind
	}
}
