//go:build !amd64 && !arm64

package sandbox

import "errors"

const hasFilter = false

func restrictCalls(Plan, int, int) error {
	return errors.New("there is no filter for this architecture")
}
