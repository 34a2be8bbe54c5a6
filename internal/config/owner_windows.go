package config

import "os"

// keepOwner does nothing: a file has the rights of its directory.
func keepOwner(os.FileInfo, string) error { return nil }
