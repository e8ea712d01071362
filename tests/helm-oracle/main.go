// Helm-oracle tells what the libraries of Helm 3 and Helm 4 make of charts, many in one process, so that the
// differential test compares thousands. It reads requests as lines of JSON and answers each with one line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
)

// request names what is to be done with a chart. Files are given by path, except those of "read".
type request struct {
	Op string `json:"op"`
	// Files of a chart by name, for "read".
	Files map[string][]byte `json:"files"`
	// Path is a chart's folder for "package", an archive for "load" and "push".
	Path string `json:"path"`
	// To is the folder of the package for "package" (below it, one for each Helm), and for "push" two
	// references without a scheme, of the namespace to push to with each Helm.
	To         [2]string `json:"to"`
	Version    string    `json:"version"`
	AppVersion string    `json:"appVersion"`
}

// outcome is what one Helm did.
type outcome struct {
	Error string `json:"error,omitempty"`
	// Config is the chart's metadata as Helm writes it into the config of a manifest.
	Config string `json:"config,omitempty"`
	// Path is that of the package made.
	Path     string `json:"path,omitempty"`
	Manifest string `json:"manifest,omitempty"`
	Digest   string `json:"digest,omitempty"`
}

type helm interface {
	read(files map[string][]byte) (any, error)
	load(path string) (any, error)
	pack(dir, to, version, appVersion string) (string, error)
	push(path, to string) (manifest, config string, err error)
}

var helms = [2]helm{newHelm3(), newHelm4()}

func main() {
	log.SetOutput(io.Discard)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, "helm-oracle: not a request:", err)
			os.Exit(1)
		}
		var answer [2]outcome
		for n, helm := range helms {
			answer[n] = answerOf(helm, asked, n)
		}
		if err := out.Encode(answer); err != nil {
			return
		}
	}
}

// answerOf does what is asked with one Helm; a panic of its libraries is a failure of Helm like an error.
func answerOf(helm helm, asked request, n int) (answer outcome) {
	defer func() {
		if panicked := recover(); panicked != nil {
			answer = outcome{Error: fmt.Sprint("panic: ", panicked)}
		}
	}()
	var metadata any
	var err error
	switch asked.Op {
	case "read":
		metadata, err = helm.read(asked.Files)
	case "load":
		metadata, err = helm.load(asked.Path)
	case "package":
		answer.Path, err = helm.pack(asked.Path, asked.To[n], asked.Version, asked.AppVersion)
	case "push":
		answer.Manifest, answer.Digest, err = helm.push(asked.Path, asked.To[n])
	default:
		err = fmt.Errorf("unknown operation %q", asked.Op)
	}
	if err == nil && metadata != nil {
		var config []byte
		config, err = json.Marshal(metadata)
		answer.Config = string(config)
	}
	if err != nil {
		return outcome{Error: err.Error()}
	}
	return answer
}
