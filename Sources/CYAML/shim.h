/* libyaml: the parser with line and column marks. */
#ifndef DSV3_YAML_SHIM_H
#define DSV3_YAML_SHIM_H
#include <yaml.h>
#endif
