//go:build !linux && !darwin && !windows

package doctor

import "errors"

func freeIn(string) (uint64, error) { return 0, errors.ErrUnsupported }

func remote(string) (bool, error) { return false, errors.ErrUnsupported }
