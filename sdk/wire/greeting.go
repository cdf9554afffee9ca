package wire

import (
	"bytes"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protojson"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
)

// MaxGreeting is how long a greeting may be, its newline included.
const MaxGreeting = 4 << 10

// Greet writes what the host says first on a private socket: one line of JSON, {"ok":true} where err is nil and raw
// bytes follow, else err in the form of the error table, after which the caller closes the connection.
func Greet(w io.Writer, err error) error {
	g := &hostv1.Greeting{Ok: err == nil}
	if err != nil {
		g.Error = errorTo(err)
	}
	line, marshalErr := greetingLine(g)
	if marshalErr != nil {
		return fmt.Errorf("write a greeting: %w", marshalErr)
	}
	_, writeErr := w.Write(line)
	return writeErr
}

// greetingLine leaves out findings and shortens the sentences until the line fits; what the error is always remains.
func greetingLine(g *hostv1.Greeting) ([]byte, error) {
	for n := maxPart; ; n /= 2 {
		line, err := protojson.Marshal(g)
		if err != nil || len(line) < MaxGreeting {
			return append(line, '\n'), err
		}
		g.Error.Message = cut(g.Error.GetMessage(), n)
		g.Error.Findings = nil
		if st := g.Error.GetStatus(); st != nil {
			st.Message, st.Remedy = cut(st.GetMessage(), n/2), cut(st.GetRemedy(), n/2)
		}
	}
}

// ReadGreeting reads a greeting and nothing behind it, and returns the error it holds.
func ReadGreeting(r io.Reader) error {
	line, err := readLine(r, MaxGreeting)
	if err != nil {
		return fmt.Errorf("read the host's greeting: %w", err)
	}
	g := &hostv1.Greeting{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(line, g); err != nil {
		return fmt.Errorf("read the host's greeting: %w", err)
	}
	if g.GetOk() {
		return nil
	}
	return errorOf(g.GetError())
}

// readLine reads byte by byte, because what follows the line belongs to whoever gets the connection.
func readLine(r io.Reader, limit int) ([]byte, error) {
	var line bytes.Buffer
	b := make([]byte, 1)
	for line.Len() < limit {
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		if b[0] == '\n' {
			return line.Bytes(), nil
		}
		line.WriteByte(b[0])
	}
	return nil, fmt.Errorf("it is longer than %d bytes", limit)
}
