package secret

const (
	terminalIn  = "CONIN$"
	terminalOut = "CONOUT$"
)
