// The command line of dsv3: what it can do stands in CommandTable.swift, a file for each command.

import Coordinator
import Glibc

BoundCall.performIfAsked(CommandLine.arguments)
exit(rootCommand.perform(Array(CommandLine.arguments.dropFirst())))
