import vm from 'node:vm';
import { TestEnvironment } from 'jest-environment-node';

/**
 * The environment of Jest for Node.js, with an ordinary global object. Its own is a Proxy, through which every use of `Math`,
 * `Promise` or `Number` goes: a sixth of the time of tests of sessions, and a quarter of that of the model checker.
 */
export default class OrdinaryGlobals extends TestEnvironment {
  constructor(...args) {
    const { createContext } = vm;
    vm.createContext = () => createContext(vm.constants.DONT_CONTEXTIFY);
    try {
      super(...args);
    } finally {
      vm.createContext = createContext;
    }
  }
}
