// OpenBao's command line, the commands of a client alone: scripts/clients/cut.ts says what is left out of its build, and why.
package main

import (
	"os"

	"github.com/openbao/openbao/command"
)

func main() {
	os.Exit(command.Run(os.Args[1:]))
}
